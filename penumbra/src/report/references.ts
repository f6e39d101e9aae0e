import type { Outcome } from "../results/index.ts";

/** A work that a study's methods come from. */
interface Reference {
  readonly type: "inproceedings" | "article" | "misc";
  readonly fields: Readonly<Record<string, string>>;
}

const arxiv = (author: string, title: string, year: number, eprint: string): Reference => ({
  type: "misc",
  fields: { author, title, year: String(year), eprint, archivePrefix: "arXiv" },
});
const paper = (author: string, title: string, booktitle: string, year: number): Reference => ({
  type: "inproceedings",
  fields: { author, title, booktitle, year: String(year) },
});
const article = (author: string, title: string, journal: string, year: number): Reference => ({
  type: "article",
  fields: { author, title, journal, year: String(year) },
});

const NEURIPS = "Advances in Neural Information Processing Systems";
const ICML = "International Conference on Machine Learning";
const ICLR = "International Conference on Learning Representations";
const CVPR = "IEEE/CVF Conference on Computer Vision and Pattern Recognition";
const ICCV = "IEEE/CVF International Conference on Computer Vision";

export const REFERENCES = {
  khosla2020: paper("Khosla, Prannay and others", "Supervised Contrastive Learning", NEURIPS, 2020),
  chen2020: paper(
    "Chen, Ting and Kornblith, Simon and Norouzi, Mohammad and Hinton, Geoffrey",
    "A Simple Framework for Contrastive Learning of Visual Representations",
    ICML,
    2020,
  ),
  tian2023: paper(
    "Tian, Yonglong and others",
    "{StableRep}: Synthetic Images from Text-to-Image Models Make Strong Visual Representation Learners",
    NEURIPS,
    2023,
  ),
  kim2022: arxiv("Kim, Jaewon and others", "Generalized Supervised Contrastive Learning", 2022, "2206.00384"),
  jiang2022: arxiv(
    "Jiang, Ruijie and others",
    "Supervised Contrastive Learning with Hard Negative Samples",
    2022,
    "2209.00078",
  ),
  trabucco2024: paper(
    "Trabucco, Brandon and Doherty, Kyle and Gurinas, Max and Salakhutdinov, Ruslan",
    "Effective Data Augmentation With Diffusion Models",
    ICLR,
    2024,
  ),
  gal2023: paper(
    "Gal, Rinon and others",
    "An Image is Worth One Word: Personalizing Text-to-Image Generation using Textual Inversion",
    ICLR,
    2023,
  ),
  rombach2022: paper(
    'Rombach, Robin and Blattmann, Andreas and Lorenz, Dominik and Esser, Patrick and Ommer, Bj{\\"o}rn',
    "High-Resolution Image Synthesis with Latent Diffusion Models",
    CVPR,
    2022,
  ),
  meng2022: paper(
    "Meng, Chenlin and others",
    "{SDEdit}: Guided Image Synthesis and Editing with Stochastic Differential Equations",
    ICLR,
    2022,
  ),
  zhang2018: paper(
    "Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David",
    "mixup: Beyond Empirical Risk Minimization",
    ICLR,
    2018,
  ),
  yun2019: paper(
    "Yun, Sangdoo and others",
    "{CutMix}: Regularization Strategy to Train Strong Classifiers with Localizable Features",
    ICCV,
    2019,
  ),
  hendrycks2017: paper(
    "Hendrycks, Dan and Gimpel, Kevin",
    "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
    ICLR,
    2017,
  ),
  hendrycks2019: paper(
    "Hendrycks, Dan and Mazeika, Mantas and Dietterich, Thomas",
    "Deep Anomaly Detection with Outlier Exposure",
    ICLR,
    2019,
  ),
  hendrycks2022: paper(
    "Hendrycks, Dan and others",
    "Scaling Out-of-Distribution Detection for Real-World Settings",
    ICML,
    2022,
  ),
  liang2018: paper(
    "Liang, Shiyu and Li, Yixuan and Srikant, R.",
    "Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks",
    ICLR,
    2018,
  ),
  lee2018: paper(
    "Lee, Kimin and Lee, Kibok and Lee, Honglak and Shin, Jinwoo",
    "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks",
    NEURIPS,
    2018,
  ),
  guo2017: paper(
    "Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.",
    "On Calibration of Modern Neural Networks",
    ICML,
    2017,
  ),
  liu2020: paper(
    "Liu, Weitang and Wang, Xiaoyun and Owens, John and Li, Yixuan",
    "Energy-based Out-of-distribution Detection",
    NEURIPS,
    2020,
  ),
  ren2021: arxiv(
    "Ren, Jie and others",
    "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection",
    2021,
    "2106.09022",
  ),
  hossain2026: arxiv(
    "Hossain, Rahim and Bhuian, Md Tawheedul Islam and Shadiq, Md Farhan and Kang, Kyoung-Don",
    "MM++: Unsupervised Scale-Invariant Multilayer OOD Detection via Top-K Gated Feature Fusion",
    2026,
    "2606.17352",
  ),
  mueller2025: arxiv(
    "Mueller, Maximilian and Hein, Matthias",
    "Mahalanobis++: Improving OOD Detection via Feature Normalization",
    2025,
    "2505.18032",
  ),
  sun2022: paper(
    "Sun, Yiyou and Ming, Yifei and Zhu, Xiaojin and Li, Yixuan",
    "Out-of-Distribution Detection with Deep Nearest Neighbors",
    ICML,
    2022,
  ),
  wang2022: paper(
    "Wang, Haoqi and Li, Zhizhong and Feng, Litong and Zhang, Wayne",
    "{ViM}: Out-Of-Distribution with Virtual-logit Matching",
    CVPR,
    2022,
  ),
  sun2021: paper(
    "Sun, Yiyou and Guo, Chuan and Li, Yixuan",
    "{ReAct}: Out-of-distribution Detection With Rectified Activations",
    NEURIPS,
    2021,
  ),
  djurisic2023: paper(
    "Djurisic, Andrija and Bozanic, Nebojsa and Ashok, Arjun and Liu, Rosanne",
    "Extremely Simple Activation Shaping for Out-of-Distribution Detection",
    ICLR,
    2023,
  ),
  xu2024: paper(
    "Xu, Kai and Chen, Rongyu and Franchi, Gianni and Yao, Angela",
    "Scaling for Training Time and Post-hoc Out-of-distribution Detection Enhancement",
    ICLR,
    2024,
  ),
  sunli2022: paper(
    "Sun, Yiyou and Li, Yixuan",
    "{DICE}: Leveraging Sparsification for Out-of-Distribution Detection",
    "European Conference on Computer Vision",
    2022,
  ),
  zhang2023: paper(
    "Zhang, Jinsong and others",
    "Out-of-Distribution Detection Based on In-Distribution Data Patterns Memorization with Modern Hopfield Energy",
    ICLR,
    2023,
  ),
  huang2021: paper(
    "Huang, Rui and Geng, Andrew and Li, Yixuan",
    "On the Importance of Gradients for Detecting Distributional Shifts in the Wild",
    NEURIPS,
    2021,
  ),
  liuqin2024: paper(
    "Liu, Litian and Qin, Yao",
    "Fast Decision Boundary based Out-of-Distribution Detector",
    ICML,
    2024,
  ),
  park2023: paper(
    "Park, Jaewoo and Jung, Yoon Gyo and Teoh, Andrew Beng Jin",
    "Nearest Neighbor Guidance for Out-of-Distribution Detection",
    ICCV,
    2023,
  ),
  liu2023: paper(
    "Liu, Xixi and Lochman, Yaroslava and Zach, Christopher",
    "{GEN}: Pushing the Limits of Softmax-Based Out-of-Distribution Detection",
    CVPR,
    2023,
  ),
  yoon2024: arxiv(
    "Yoon, Suhee and others",
    "Diffusion based Semantic Outlier Generation via Nuisance Awareness for Out-of-Distribution Detection",
    2024,
    "2408.14841",
  ),
  du2023: paper(
    "Du, Xuefeng and Sun, Yiyou and Zhu, Xiaojin and Li, Yixuan",
    "Dream the Impossible: Outlier Imagination with Diffusion Models",
    NEURIPS,
    2023,
  ),
  liao2025: paper(
    "Liao, Qilin and Yang, Shuo and Zhao, Bo and Luo, Ping and Zhao, Hengshuang",
    "{BOOD}: Boundary-based Out-Of-Distribution Data Generation",
    ICML,
    2025,
  ),
  li2025: paper(
    "Li, Jinglun and Jiang, Kaixun and Chen, Zhaoyu and Lin, Bo and Tang, Yao and Ge, Weifeng and Zhang, Wenqiang",
    "Synthesizing Near-Boundary {OOD} Samples for Out-of-Distribution Detection",
    ICCV,
    2025,
  ),
  mirzaei2023: paper(
    "Mirzaei, Hossein and others",
    "Fake It Until You Make It: Towards Accurate Near-Distribution Novelty Detection",
    ICLR,
    2023,
  ),
  noroozi2016: paper(
    "Noroozi, Mehdi and Favaro, Paolo",
    "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles",
    "European Conference on Computer Vision",
    2016,
  ),
  lisohn2021: paper(
    "Li, Chun-Liang and Sohn, Kihyuk and Yoon, Jinsung and Pfister, Tomas",
    "{CutPaste}: Self-Supervised Learning for Anomaly Detection and Localization",
    CVPR,
    2021,
  ),
  simard2003: paper(
    "Simard, Patrice Y. and Steinkraus, Dave and Platt, John C.",
    "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
    "International Conference on Document Analysis and Recognition",
    2003,
  ),
  cubuk2020: paper(
    "Cubuk, Ekin D. and Zoph, Barret and Shlens, Jonathon and Le, Quoc V.",
    "{RandAugment}: Practical Automated Data Augmentation with a Reduced Search Space",
    NEURIPS,
    2020,
  ),
  kingma2014: paper("Kingma, Diederik P. and Welling, Max", "Auto-Encoding Variational {Bayes}", ICLR, 2014),
  goodfellow2014: paper("Goodfellow, Ian and others", "Generative Adversarial Nets", NEURIPS, 2014),
  zhao2020: paper(
    "Zhao, Shengyu and Liu, Zhijian and Lin, Ji and Zhu, Jun-Yan and Han, Song",
    "Differentiable Augmentation for Data-Efficient {GAN} Training",
    NEURIPS,
    2020,
  ),
  ho2020: paper(
    "Ho, Jonathan and Jain, Ajay and Abbeel, Pieter",
    "Denoising Diffusion Probabilistic Models",
    NEURIPS,
    2020,
  ),
  ramesh2022: arxiv(
    "Ramesh, Aditya and Dhariwal, Prafulla and Nichol, Alex and Chu, Casey and Chen, Mark",
    "Hierarchical Text-Conditional Image Generation with {CLIP} Latents",
    2022,
    "2204.06125",
  ),
  mcinnes2018: arxiv(
    "McInnes, Leland and Healy, John and Melville, James",
    "{UMAP}: Uniform Manifold Approximation and Projection for Dimension Reduction",
    2018,
    "1802.03426",
  ),
  ledoit2004: article(
    "Ledoit, Olivier and Wolf, Michael",
    "A well-conditioned estimator for large-dimensional covariance matrices",
    "Journal of Multivariate Analysis",
    2004,
  ),
  holm1979: article(
    "Holm, Sture",
    "A Simple Sequentially Rejective Multiple Test Procedure",
    "Scandinavian Journal of Statistics",
    1979,
  ),
  satterthwaite1946: article(
    "Satterthwaite, F. E.",
    "An Approximate Distribution of Estimates of Variance Components",
    "Biometrics Bulletin",
    1946,
  ),
} as const satisfies Record<string, Reference>;
export type ReferenceKey = keyof typeof REFERENCES;

/** What a thing of the tables comes from; one that is missing is the project's own, or as old as the field. */
export const REFERENCES_OF: Readonly<
  Record<"objectives" | "uses" | "sources" | "detectors", Readonly<Record<string, readonly ReferenceKey[]>>>
> = {
  objectives: {
    supcon: ["khosla2020"],
    "supcon-in": ["khosla2020"],
    "supcon+ce": ["khosla2020"],
    simclr: ["chen2020"],
    stablerep: ["tian2023"],
    genscl: ["kim2022"],
    hscl: ["jiang2022"],
    "cross-entropy+mix": ["zhang2018", "yun2019"],
    "genscl+mix": ["kim2022", "zhang2018", "yun2019"],
  },
  uses: { "outlier-exposure": ["hendrycks2019"], energy: ["liu2020"] },
  sources: {
    "near-ood": ["mirzaei2023"],
    boundary: ["yoon2024", "du2023", "liao2025", "li2025"],
    collage: ["noroozi2016", "yun2019", "zhang2018", "lisohn2021", "simard2003"],
    augmented: ["cubuk2020"],
    "vae-faithful": ["kingma2014"],
    "vae-near-ood": ["kingma2014"],
    "gan-faithful": ["goodfellow2014", "zhao2020"],
    "gan-near-ood": ["goodfellow2014", "zhao2020"],
    "ddpm-faithful": ["ho2020"],
    "ddpm-near-ood": ["ho2020", "mirzaei2023"],
    "unclip-faithful": ["ramesh2022"],
    "unclip-near-ood": ["ramesh2022"],
  },
  detectors: {
    msp: ["hendrycks2017"],
    temperature: ["guo2017"],
    energy: ["liu2020"],
    knn: ["sun2022"],
    mahalanobis: ["lee2018", "ledoit2004"],
    "max-logit": ["hendrycks2022"],
    gen: ["liu2023"],
    "kl-matching": ["hendrycks2022"],
    odin: ["liang2018"],
    "mahalanobis++": ["mueller2025", "ledoit2004"],
    "relative-mahalanobis": ["ren2021", "ledoit2004"],
    vim: ["wang2022"],
    react: ["sun2021"],
    "ash-p": ["djurisic2023"],
    "ash-b": ["djurisic2023"],
    "ash-s": ["djurisic2023"],
    scale: ["xu2024"],
    dice: ["sunli2022"],
    she: ["zhang2023"],
    gradnorm: ["huang2021"],
    fdbd: ["liuqin2024"],
    nnguide: ["park2023"],
    reconstruction: ["hendrycks2017"],
    abnormality: ["hendrycks2017"],
    "multi-layer-knn": ["sun2022"],
    "multi-layer-mahalanobis": ["lee2018", "ledoit2004", "hossain2026"],
    nearness: ["sun2022", "lee2018", "ledoit2004"],
  },
};

/** Diffusion redraws: learned words, a photo drawn again from a part of the way, and both together for training. */
export const REDRAW_REFERENCES: readonly ReferenceKey[] = [
  "trabucco2024",
  "gal2023",
  "meng2022",
  "rombach2022",
];

/** What images of a source come from, sifted or not; those of a configuration's own say nothing. */
export function referencesOfSource(name: string): readonly ReferenceKey[] {
  return REFERENCES_OF.sources[name.replace(/^sifted-/, "")] ?? [];
}

/** All that a study's methods come from, each once, in the order of the paragraph. */
export function referencesOf(outcome: Outcome): ReferenceKey[] {
  const of = (table: keyof typeof REFERENCES_OF, names: readonly (string | null)[]) =>
    names.flatMap((name) => (name === null ? [] : (REFERENCES_OF[table][name] ?? [])));
  return [
    ...new Set<ReferenceKey>([
      ...of(
        "objectives",
        outcome.arms.map(({ objective }) => objective),
      ),
      ...of(
        "uses",
        outcome.arms.map(({ use }) => use),
      ),
      ...outcome.arms.flatMap(({ positives, negatives }) =>
        [positives, negatives].flatMap((name) => (name === null ? [] : referencesOfSource(name))),
      ),
      ...(outcome.model ? REDRAW_REFERENCES : []),
      ...of(
        "detectors",
        outcome.detectors.map(({ name }) => name),
      ),
      ...(outcome.featureMaps.some(({ method }) => method === "umap") ? (["mcinnes2018"] as const) : []),
      "satterthwaite1946",
      ...(outcome.hypotheses.length > 0 ? (["holm1979"] as const) : []),
    ]),
  ];
}

/** Entries for BibTeX and BibLaTeX. */
export function bibliography(keys: readonly ReferenceKey[]): string {
  return keys
    .map((key) => {
      const { type, fields }: Reference = REFERENCES[key];
      const lines = Object.entries(fields).map(([name, value]) => `  ${name} = {${value}},\n`);
      return `@${type}{${key},\n${lines.join("")}}\n`;
    })
    .join("\n");
}
