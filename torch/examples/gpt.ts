// A GPT on characters learns a poem and goes on where it is given a beginning.
import {
  arange,
  inferenceMode,
  manualSeed,
  nn,
  optim,
  randint,
  scope,
  stack,
  type Tensor,
  tensor,
} from "@penumbra/torch";

// Lewis Carroll, Jabberwocky (1871).
const TEXT = `'Twas brillig, and the slithy toves
Did gyre and gimble in the wabe;
All mimsy were the borogoves,
And the mome raths outgrabe.

"Beware the Jabberwock, my son!
The jaws that bite, the claws that catch!
Beware the Jubjub bird, and shun
The frumious Bandersnatch!"
`;
const CONTEXT = 32; // characters that the network sees at once
const WIDTH = 64;
const LAYER = { dimFeedforward: 4 * WIDTH, dropout: 0, activation: "gelu", normFirst: true } as const;

const characters = [...new Set(TEXT)].sort();
const encode = (text: string): Tensor =>
  tensor(
    [...text].map((character) => characters.indexOf(character)),
    { dtype: "int64" },
  );

class GPT extends nn.Module {
  readonly token = new nn.Embedding(characters.length, WIDTH);
  readonly position = new nn.Embedding(CONTEXT, WIDTH);
  readonly blocks = new nn.TransformerEncoder(() => new nn.TransformerEncoderLayer(WIDTH, 4, LAYER), 2);
  readonly norm = new nn.LayerNorm(WIDTH);
  readonly head = new nn.Linear(WIDTH, characters.length);

  /** The characters so far [B, T] -> for each the logits of the one that follows it [B, T, characters]. */
  forward(ids: Tensor): Tensor {
    const length = ids.size(1);
    const x = this.token.forward(ids).add(this.position.forward(arange(length, { dtype: "int64" }))); // [B, T, W]
    return this.head.forward(this.norm.forward(this.blocks.forward(x, { isCausal: true })));
  }
}

/** Goes on after `text`, each time with the likeliest character. */
function proceed(model: GPT, text: string, length: number): string {
  while (text.length < length) {
    const next = inferenceMode(() => {
      const logits = model.forward(encode(text.slice(-CONTEXT)).unsqueeze(0)); // [1, T, characters]
      return logits.at(0, -1).argmax().item();
    });
    text += characters[next];
  }
  return text;
}

manualSeed(0);
const data = encode(TEXT);
const model = new GPT();
const optimizer = new optim.AdamW(model.parameters(), { lr: 3e-3 });
for (let step = 1; step <= 240; step += 1) {
  scope(() => {
    const starts = randint(TEXT.length - CONTEXT, [16]).tolist() as number[];
    const pieces = stack(starts.map((start) => data.narrow(0, start, CONTEXT + 1))); // [16, T + 1]
    const logits = model.forward(pieces.narrow(1, 0, CONTEXT));
    const targets = pieces.narrow(1, 1, CONTEXT);
    const loss = logits.flatten({ endDim: 1 }).crossEntropyLoss(targets.flatten());
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    if (step % 60 === 0) console.log(`step ${step}: loss ${loss.item().toFixed(4)}`);
  });
}
model.eval();
console.log(proceed(model, "Beware the Jab", 72));
