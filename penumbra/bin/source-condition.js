// A module hook that does what `node --conditions=source` does, without starting a second process.
export function resolve(specifier, context, nextResolve) {
  return nextResolve(specifier, { ...context, conditions: ["source", ...context.conditions] });
}
