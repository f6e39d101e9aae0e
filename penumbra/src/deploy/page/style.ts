/** How pages look, in light and in dark. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --quiet: #666; --alert: #b3500a }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; --alert: #f0a060 } }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
label { margin-right: 1rem }
#drop { display: block; border: 2px dashed #888; border-radius: 8px; padding: 2rem; text-align: center; margin: 1rem 0 }
#drop.over { border-color: #2468c0 } #drop:focus-within { outline: 2px solid #2468c0 }
#drop input { display: block; margin: 1rem auto 0; max-width: 100% }
.answer { display: flex; gap: 1rem; align-items: center; padding: .5rem 0; border-top: 1px solid #8884 }
.answer img { width: 96px; height: 96px; object-fit: contain; background: #8882 }
.verdict { font-weight: 600 } .unknown .verdict { color: var(--alert) }
small { color: var(--quiet) }`;

/** Words as they are, in markup. */
export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
