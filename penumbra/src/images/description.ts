import sharp, { type Sharp } from "sharp";

// XMP (ISO 16684-1) is the one kind of metadata that PNG, WebP, JPEG and TIFF all hold, and that holds any text.

/** The picture with a description in its metadata (Dublin Core's, where viewers and exiftool look for it). */
export function withDescription(image: Sharp, text: string): Sharp {
  return image.withXmp(
    `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escaped(text)}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`,
  );
}

/**
 * The description in the metadata of an image file, as `encodePng` and `encodeWebp` write it; undefined where there is
 * none.
 *
 * @param source path of the file, or its bytes
 */
export async function readDescription(source: string | Uint8Array): Promise<string | undefined> {
  const { xmp } = await sharp(source).metadata();
  const found = xmp && /<dc:description>.*?<rdf:li[^>]*>(.*?)<\/rdf:li>/s.exec(xmp.toString("utf8"));
  return found ? unescaped(found[1] as string) : undefined;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => ENTITIES[sign] as string);

function unescaped(text: string): string {
  const signs = Object.fromEntries(Object.entries(ENTITIES).map(([sign, entity]) => [entity, sign]));
  return text.replace(/&(?:amp|lt|gt|quot);/g, (entity) => signs[entity] as string);
}
