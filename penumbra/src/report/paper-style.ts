import { styleSheet } from "./style.ts";

interface Rule {
  readonly selectors: readonly string[];
  readonly declarations: ReadonlyMap<string, string>;
}

let cached: string | undefined;

/**
 * The page's rules for charts, in the colours for paper, without variables: what draws SVG outside of browsers knows
 * none. A rule that reads a variable which classes set (an arm's colour) becomes one for each of these classes.
 */
export function paperStyle(): string {
  cached ??= flatten(rulesOf(styleSheet));
  return cached;
}

/** Rules outside of media queries. */
function rulesOf(sheet: string): Rule[] {
  const plain = sheet.replaceAll(/@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g, "");
  return [...plain.matchAll(/([^{}]+)\{([^{}]*)\}/g)].map(([, selectors = "", body = ""]) => ({
    selectors: selectors.split(",").map((selector) => selector.trim()),
    declarations: new Map(
      [...body.matchAll(/([\w-]+):\s*([^;]+);?/g)].map(([, name = "", value = ""]) => [name, value.trim()]),
    ),
  }));
}

function flatten(rules: readonly Rule[]): string {
  const root = new Map(rules.find(({ selectors }) => selectors[0] === ":root")?.declarations);
  /** Classes that set a variable, with its value. */
  const setters = rules.flatMap(({ selectors, declarations }) =>
    [...declarations].flatMap(([name, value]) =>
      name.startsWith("--") && selectors[0] !== ":root"
        ? selectors.map((selector) => ({ selector, name, value: resolve(value, root) }))
        : [],
    ),
  );
  return rules
    .flatMap(({ selectors, declarations }) => {
      const drawn = [...declarations].filter(([name]) => DRAWN.has(name));
      const own = selectors.filter(isOfCharts);
      if (own.length === 0) return [];
      return drawn.flatMap(([name, value]) => {
        const variable = /var\((--[\w-]+)/.exec(value)?.[1];
        if (value.includes("color-mix(")) return []; // shares of a colour: the figure writes them out
        if (variable === undefined || root.has(variable)) {
          return [`${own.join(",")}{${name}:${resolve(value, root)}}`];
        }
        return setters
          .filter((setter) => setter.name === variable)
          .flatMap((setter) =>
            own.flatMap((selector) => [
              `${selector}${setter.selector}{${name}:${setter.value}}`,
              `${setter.selector} ${selector}{${name}:${setter.value}}`,
            ]),
          );
      });
    })
    .join("");
}

/** What charts are drawn with. */
const DRAWN = new Set([
  ...["fill", "fill-opacity", "opacity", "font", "font-size"],
  ...["stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap"],
]);

/** Rules by class, and that of the charts' text. */
function isOfCharts(selector: string): boolean {
  return selector === "svg text" || /^\.[\w.-]+$/.test(selector);
}

function resolve(value: string, root: ReadonlyMap<string, string>): string {
  return value
    .replaceAll(/var\((--[\w-]+)(?:,[^)]*)?\)/g, (whole, name: string) => root.get(name) ?? whole)
    .replaceAll(" !important", "");
}
