import { describe, expect, it } from "vitest";
import { Message } from "../../src/files/index.ts";

const hex = (message: Message) => Buffer.from(message.toBytes()).toString("hex");

// The examples of protobuf.dev/programming-guides/encoding.
describe("a message", () => {
  it("holds whole numbers seven bits a byte, negative ones in ten bytes", () => {
    expect(hex(new Message().int(1, 150))).toBe("089601");
    expect(hex(new Message().int(1, 0))).toBe("0800");
    expect(hex(new Message().int(1, -2))).toBe("08feffffffffffffffff01");
    expect(hex(new Message().int(20, 2n ** 40n))).toBe("a001808080808020");
    expect(hex(new Message().ints(4, [3, 270]))).toBe("2003208e02");
  });

  it("holds strings, bytes and floats", () => {
    expect(hex(new Message().text(2, "testing"))).toBe("120774657374696e67");
    expect(hex(new Message().text(2, "ä"))).toBe("1202c3a4");
    expect(hex(new Message().bytes(9, Uint8Array.of(1, 2)))).toBe("4a020102");
    expect(hex(new Message().float(2, 1.5))).toBe("150000c03f");
    expect(hex(new Message().double(1, 1.5))).toBe("09000000000000f83f");
  });

  it("holds messages, and says how long it is", () => {
    const outer = new Message().message(3, new Message().int(1, 150));
    expect(hex(outer)).toBe("1a03089601");
    expect(outer.length).toBe(5);
    expect(hex(new Message().message(1, new Message()))).toBe("0a00");
  });

  it("copies no bytes until it is put together", () => {
    const weights = new Uint8Array(1000);
    expect(new Message().message(5, new Message().bytes(9, weights)).parts).toContain(weights);
  });
});
