/** Names of the detectors a study can score; `unknowns/` computes them. Apart, so that reading a configuration loads no engine. */
export const detectorNames = ["msp", "temperature", "energy", "knn", "mahalanobis"] as const;
export type DetectorName = (typeof detectorNames)[number];
