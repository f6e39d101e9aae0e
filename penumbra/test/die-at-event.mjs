// Preloaded (`node --import`) into a command with --json: the process gets a signal as soon as it has printed an event,
// and not when another process comes to read of it. DIE_AT: { event, stage, label?, from?, signal? } as JSON, of which
// `label` is a regular expression and `from` the share of the stage that must be done.
const { event, stage, label = "", from = 0, signal = "SIGKILL" } = JSON.parse(process.env.DIE_AT);
const { write } = process.stdout;
let isSent = false;
process.stdout.write = function (text, ...rest) {
  const isWritten = write.call(this, text, ...rest); // of a pipe, at once
  const told = JSON.parse(text);
  const isReached = told.total === undefined || (told.done >= from * told.total && told.done < told.total);
  if (
    !isSent &&
    told.event === event &&
    told.stage === stage &&
    new RegExp(label).test(told.label) &&
    isReached
  ) {
    isSent = true;
    process.kill(process.pid, signal);
  }
  return isWritten;
};
