import type { Dictionary } from "./dictionary.ts";

/** What is called the same in both languages. */
const NAMES = [
  ...["SupCon", "SimCLR", "StableRep", "CutMix", "Diff-Mix", "Outlier Exposure", "BibTeX"],
  ...[
    "ASH-B",
    "ASH-P",
    "ASH-S",
    "DICE",
    "GEN",
    "GradNorm",
    "KNN",
    "MSP",
    "Mahalanobis",
    "Mahalanobis++",
    "NNGuide",
  ],
  ...["GAN", "VAE", "DDPM", "unCLIP", "ODIN", "ReAct", "SCALE", "SHE", "ViM", "fDBD"],
];

/** German texts that come from values: titles, sentences that are put together, names of things. */
export const texts: Dictionary["texts"] = {
  ...Object.fromEntries(NAMES.map((name) => [name, name])),

  // Numbers and lists.
  "n/a": "k. A.",
  and: "und",
  "{0#} to {1#}": "{0} bis {1}",
  "{0} {1#}": "{0} {1}",
  seed: "Seed",
  seeds: "Seeds",
  arm: "Arm",
  arms: "Arme",
  photo: "Foto",
  photos: "Fotos",
  object: "Objekt",
  objects: "Objekte",
  "physical object": "physisches Objekt",
  "physical objects": "physische Objekte",
  class: "Klasse",
  classes: "Klassen",
  "known class": "bekannte Klasse",
  "known classes": "bekannte Klassen",
  "near and": "nahe und",
  "far unknown class": "ferne unbekannte Klasse",
  "far unknown classes": "ferne unbekannte Klassen",
  core: "Kern",
  cores: "Kerne",
  file: "Datei",
  files: "Dateien",
  study: "Studie",
  studies: "Studien",
  hypothesis: "Hypothese",
  hypotheses: "Hypothesen",
  "paired difference": "gepaarter Unterschied",
  "paired differences": "gepaarte Unterschiede",
  "random version": "zufällige Fassung",
  "random versions": "zufällige Fassungen",
  "other setting": "andere Einstellung",
  "other settings": "andere Einstellungen",

  // Learning curves.
  Accuracy: "Genauigkeit",
  "Near AUROC": "AUROC nah",
  "Far AUROC": "AUROC fern",
  "Learning curves": "Lernkurven",
  "Learning curve: {0}": "Lernkurve: {0}",
  "{0}, by object": "{0}, je Objekt",
  "With fewer and more objects to learn from": "Mit weniger und mehr Trainingsobjekten",
  "objects of each class to learn from": "Trainingsobjekte je Klasse",
  "By objects of each class to learn from (accuracy / near AUROC):":
    "Nach Trainingsobjekten je Klasse (Genauigkeit / AUROC nah):",
  "By objects of each class to learn from (accuracy):": "Nach Trainingsobjekten je Klasse (Genauigkeit):",

  // Navigation and headings.
  Answer: "Antwort",
  Hypotheses: "Hypothesen",
  Arms: "Arme",
  Detectors: "Detektoren",
  "Known or unknown": "Bekannt oder unbekannt",
  Map: "Karte",
  Mistakes: "Fehler",
  Augmentation: "Augmentierung",
  Training: "Training",
  Methods: "Methoden",
  "What ran": "Was gelaufen ist",
  Sift: "Sichtung",
  Shortcuts: "Abkürzungen",
  Recipes: "Rezepte",
  audit: "Prüfen",
  "Does it see the object, or how the image was made?":
    "Sieht der Encoder das Objekt, oder wie das Bild entstand?",
  "What the arms show": "Was die Arme zeigen",
  "What the arms show:": "Was die Arme zeigen:",
  "What was asked, and how surely it is answered": "Was gefragt war, und wie sicher die Antwort ist",
  "The arms": "Die Arme",
  "What was drawn": "Was gezeichnet wurde",
  "What was let pass": "Was durchgelassen wurde",
  "The detectors": "Die Detektoren",
  "A map of the features": "Eine Karte der Merkmale",
  "Where it goes wrong": "Wo es schiefgeht",
  "What training sees": "Was das Training sieht",
  "Methods, to take over": "Methoden, zur Übernahme",
  "nothing of its own": "nichts Eigenes",

  // The headline.
  "more accurate": "genauer",
  "less accurate": "weniger genau",
  "better at saying “unknown” to near unknowns": "besser beim Erkennen naher Unbekannter",
  "worse at saying “unknown” to near unknowns": "schlechter beim Erkennen naher Unbekannter",
  "Mixed: synthetic images made the classifier {0}, but {1}.":
    "Gemischt: Mit synthetischen Bildern war der Klassifikator {0}, aber {1}.",
  "No: synthetic images made the classifier {0}.":
    "Nein: Mit synthetischen Bildern war der Klassifikator {0}.",
  "Yes: synthetic images made the classifier {0}.":
    "Ja: Mit synthetischen Bildern war der Klassifikator {0}.",
  "In part: synthetic images made the classifier {0}.":
    "Teilweise: Mit synthetischen Bildern war der Klassifikator {0}.",
  "No: synthetic images made no difference that matters.":
    "Nein: Synthetische Bilder machten keinen Unterschied von Belang.",
  "Not decided: one seed cannot tell an effect from chance.":
    "Nicht entschieden: Ein Seed kann einen Effekt nicht vom Zufall unterscheiden.",
  "Not decided: two seeds cannot tell an effect from chance.":
    "Nicht entschieden: Zwei Seeds können einen Effekt nicht vom Zufall unterscheiden.",
  "Not decided: chance could explain what this study saw.":
    "Nicht entschieden: Die Beobachtungen dieser Studie ließen sich durch Zufall erklären.",

  // Questions.
  " with {0}": " mit {0}",
  "{0} as positives": "{0} als Positive",
  "{0} as {1}": "{0} als {1}",
  "Do {0} together beat no synthetic images?": "Sind {0} zusammen besser als keine synthetischen Bilder?",
  "Do {0} together beat no synthetic images with {1}?":
    "Sind mit {1} {0} zusammen besser als keine synthetischen Bilder?",
  "Do {0} help, as further positives?": "Helfen {0} als weitere Positive?",
  "Do {0} help, as further positives with {1}?": "Helfen {0} als weitere Positive mit {1}?",
  "Do {0} help, as {1}?": "Helfen {0} als {1}?",
  "Do {0} help, as {1} with {2}?": "Helfen {0} als {1} mit {2}?",
  "Are {0} better negatives than {1}?": "Sind {0} bessere Negative als {1}?",
  "Are {0} better negatives than {1} with {2}?": "Sind {0} mit {2} bessere Negative als {1}?",
  "Are the same images better used as {0} than as {1}?":
    "Sind dieselben Bilder besser eingesetzt als {0} oder als {1}?",
  "Are the same images better used as {0} than as {1} with {2}?":
    "Sind dieselben Bilder mit {2} besser eingesetzt als {0} oder als {1}?",
  "teacher {0}": "Lehrer {0}",
  "Does training with {0} help?": "Hilft Training mit {0}?",
  "Does training with {0} help with {1}?": "Hilft Training mit {0} bei {1}?",
  "Is {0} better than {1}, on the same images?": "Ist {0} auf denselben Bildern besser als {1}?",

  // Verdicts and measures.
  "Yes, better": "Ja, besser",
  "No, worse": "Nein, schlechter",
  "No difference": "Kein Unterschied",
  "Not decided": "Nicht entschieden",
  Supported: "Gestützt",
  Contradicted: "Widerlegt",
  "Accuracy on the known classes": "Genauigkeit auf den bekannten Klassen",
  "Telling near unknowns apart ({0})": "Erkennen naher Unbekannter ({0})",
  "Telling far unknowns apart ({0})": "Erkennen ferner Unbekannter ({0})",
  ", by object": ", je Objekt",
  accuracy: "Genauigkeit",
  "near-unknown AUROC": "AUROC naher Unbekannter",
  "far-unknown AUROC": "AUROC ferner Unbekannter",
  "needs two seeds": "erst ab zwei Seeds",
  "no interval with one seed": "kein Konfidenzintervall bei einem Seed",
  "{0#} % interval {1}": "{0}-%-Konfidenzintervall {1}",
  "with fewer than three nothing here is called decided, however narrow an interval happens to be":
    "bei weniger als drei Seeds gilt hier nichts als entschieden, wie schmal ein Intervall auch ausfällt",
  "wide, so that only a large effect can be proven":
    "die Intervalle sind breit, sodass sich nur ein großer Effekt nachweisen lässt",
  "Scale: difference in points": "Skala: Unterschied in Prozentpunkten",
  "Difference in points": "Unterschied in Prozentpunkten",
  "{0#} points; {1#} % over seeds and objects: {2}; over seeds: {3}; over test objects: {4}; seeds: {5}":
    "{0} Prozentpunkte; {1} % über Seeds und Objekte: {2}; über Seeds: {3}; über Testobjekte: {4}; Seeds: {5}",
  "{0#} points; {1#} % over seeds and objects: {2}; over test objects: {3}; seeds: {4}":
    "{0} Prozentpunkte; {1} % über Seeds und Objekte: {2}; über Testobjekte: {3}; Seeds: {4}",
  "{0#} points; {1#} % over seeds and objects: {2}; seeds: {3}":
    "{0} Prozentpunkte; {1} % über Seeds und Objekte: {2}; Seeds: {3}",

  // Why a detector was chosen.
  "The figures for unknowns are of {0}: it had the best mean AUROC over all arms and seeds {1} ({2#}, next {3} with {4#}).":
    "Die Zahlen zu Unbekannten sind die von {0}: Dieser Detektor hatte den besten mittleren AUROC über alle Arme und Seeds {1} ({2}, danach {3} mit {4}).",
  "The figures for unknowns are of {0}: it had the best mean AUROC over all arms and seeds {1} ({2#}).":
    "Die Zahlen zu Unbekannten sind die von {0}: Dieser Detektor hatte den besten mittleren AUROC über alle Arme und Seeds {1} ({2}).",
  "The figures for unknowns are of {0}, the first detector named: the photos have too few near unknown classes to keep some for choosing (two are needed).":
    "Die Zahlen zu Unbekannten sind die von {0}, dem zuerst genannten Detektor: Die Fotos haben zu wenige nahe unbekannte Klassen, um einige für die Auswahl zurückzuhalten (zwei sind nötig).",
  "on the validation unknowns, whose classes are not among the test's":
    "auf den Validierungsunbekannten, deren Klassen nicht im Test vorkommen",
  "on images that stand in for unknowns (known validation photos cut and mixed, and near-OOD redraws where there are any), because the photos have too few near unknown classes to keep some for choosing (two are needed)":
    "auf Bildern, die für Unbekannte stehen (zerschnittene und gemischte bekannte Validierungsfotos und, wo es welche gibt, Near-OOD-Nachzeichnungen), weil die Fotos zu wenige nahe unbekannte Klassen haben, um einige für die Auswahl zurückzuhalten (zwei sind nötig)",

  // Hypotheses.
  positives: "Positive",
  "{0} as {1} raise accuracy": "{0} als {1} erhöhen die Genauigkeit",
  "{0} as {1} raise the AUROC of near unknowns by {2}":
    "{0} als {1} erhöhen den AUROC naher Unbekannter mit {2}",
  "Together they do more for near unknowns than each by itself adds up to":
    "Zusammen bewirken sie bei nahen Unbekannten mehr als die Summe beider",
  "{0} as {1} raise accuracy ({2})": "{0} als {1} erhöhen die Genauigkeit ({2})",
  "{0} as {1} raise the AUROC of near unknowns by {2} ({3})":
    "{0} als {1} erhöhen den AUROC naher Unbekannter mit {2} ({3})",
  "Together they do more for near unknowns than each by itself adds up to ({0})":
    "Zusammen bewirken sie bei nahen Unbekannten mehr als die Summe beider ({0})",
  "{0}; finds {1#} points": "{0}; findet ab {1} Prozentpunkten",
  "no number of seeds": "mit keiner Zahl von Seeds",
  "{0#} times the test objects": "{0}-mal so viele Testobjekte",
  "This is look {0#} of at most {1#} at the figures; intervals of {2#} % keep the level for all of them together.":
    "Dies ist Blick {0} von höchstens {1} auf die Zahlen; Konfidenzintervalle zu {2} % halten das Niveau für alle zusammen.",
  "No earlier run in this folder has looked at the test of these photos.":
    "Kein früherer Lauf in diesem Ordner hat den Test dieser Fotos angesehen.",
  "Earlier runs in this folder have looked at the test of the same photos with {0}: the more often a test is opened, the less its best figure means.":
    "Frühere Läufe in diesem Ordner haben den Test derselben Fotos bereits angesehen ({0}): Je öfter ein Test geöffnet wird, desto weniger besagt seine beste Zahl.",

  // For the terminal.
  balanced: "balanciert",
  "near AUROC": "AUROC nah",
  "far AUROC": "AUROC fern",
  "  {0} {1#} points ({2})": "  {0} {1} Prozentpunkte ({2})",
  "  {0!} {1}: {2}, {3#} points ({4})": "  {0} {1}: {2}, {3} Prozentpunkte ({4})",
  "  {0!} {1}: {2}, {3#} points ({4}); to decide: {5}":
    "  {0} {1}: {2}, {3} Prozentpunkte ({4}); zur Entscheidung nötig: {5}",
  "{0}, p {1}": "{0}, p {1}",
  "one seed": "ein Seed",
  "With {0} instead of no synthetic images:":
    "Unterschied durch {0} gegenüber Training ohne synthetische Bilder:",
  "With {0} instead of no synthetic images with {1}:":
    "Unterschied durch {0} gegenüber Training ohne synthetische Bilder mit {1}:",
  "Hypotheses (intervals over seeds and test objects, p by Holm):":
    "Hypothesen (Konfidenzintervalle über Seeds und Testobjekte, p nach Holm):",
  "Warning: {0}": "Warnung: {0}",
  "To use it: {0!}": "Zur Verwendung: {0}",
  'Of the arms of the study "{1!}", {0} was the best at telling its validation unknowns from the known (AUROC {2#}, {3}).':
    "{0} unterschied die Unbekannten, nach denen die Studie „{1}“ wählte, am besten von den Bekannten (AUROC {2}, {3}).",
  '{0} was the most accurate in the study "{1!}" (balanced accuracy {2#} on its validation photos, {3}); it had no unknowns to choose by.':
    "{0} war in der Studie „{1}“ am genauesten (balancierte Genauigkeit {2} auf ihren Validierungsfotos, {3}); sie hatte keine Unbekannten, nach denen zu wählen war.",
  "at its only seed": "beim einzigen Seed",
  "on average over {0#} seeds": "im Mittel über {0} Seeds",
  "One seed decides nothing: five or more (--seeds 5) give a useful answer.":
    "Ein Seed entscheidet nichts: Ab fünf (--seeds 5) ist eine brauchbare Antwort zu erwarten.",
  "{0} are few: five or more (--seeds 5) give a useful answer.":
    "{0} sind wenig: Ab fünf (--seeds 5) ist eine brauchbare Antwort zu erwarten.",

  // Caveats.
  "{0}, seed {1#}: {2}": "{0}, Seed {1}: {2}",
  "The loss has stayed at {0#} over the last {1#} steps. {2#} is what an encoder gives that maps all images to one point, so it has learned nothing. {3}":
    "Der Verlust blieb über die letzten {1} Schritte bei {0}. {2} ergibt ein Encoder, der alle Bilder auf einen Punkt abbildet; er hat also nichts gelernt. {3}",
  "Lengthen the warm-up, lower the learning rate, raise the temperature, or train for more steps.":
    "Abhilfe: längere Aufwärmphase, kleinere Lernrate, höhere Temperatur oder mehr Schritte.",
  "{0#} known class(es): a classifier needs at least two.":
    "{0} bekannte Klasse(n): Ein Klassifikator braucht mindestens zwei.",
  "{0#} classes show one object only: they cannot be trained and tested. Add photos of others. They are {1!} and {2#} more.":
    "{0} Klassen zeigen nur ein Objekt: Sie können nicht trainiert und geprüft werden. Fotos weiterer Objekte sind nötig. Es sind {1} und {2} weitere.",
  "Class {0!} shows one object only: it cannot be trained and tested. Add photos of others.":
    "Die Klasse {0} zeigt nur ein Objekt: Sie kann nicht trainiert und geprüft werden. Fotos weiterer Objekte sind nötig.",
  "Known classes have from {0#} to {1#} objects. Accuracy on the small ones is uncertain: add photos there.":
    "Bekannte Klassen haben zwischen {0} und {1} Objekten. Die Genauigkeit der kleinen ist unsicher: Dort fehlen Fotos.",
  "No near unknowns: how well lookalikes are refused cannot be tested. Hold out some classes.":
    "Keine nahen Unbekannten: Wie gut Ähnliches abgewiesen wird, lässt sich nicht prüfen. Einige Klassen zurückhalten.",
  'One class of near unknowns ("{0!}"): it goes to the test, and none is left to choose settings with. Hold out a second one.':
    "Eine Klasse naher Unbekannter („{0}“): Sie geht in den Test, und keine bleibt für die Wahl von Einstellungen. Eine zweite zurückhalten.",

  // The table of the arms.
  "Accuracy %": "Genauigkeit %",
  "Accuracy %, by object": "Genauigkeit %, je Objekt",
  "Accuracy %, mean of classes": "Genauigkeit %, Mittel der Klassen",
  "Accuracy %, views fused": "Genauigkeit %, Ansichten vereint",
  "Accuracy %, single photos": "Genauigkeit %, einzelne Fotos",
  "Near AUROC %": "AUROC nah %",
  "Near AUROC %, by object": "AUROC nah %, je Objekt",
  "Near FPR95 %": "FPR95 nah %",
  "Far AUROC %": "AUROC fern %",
  "Far FPR95 %": "FPR95 fern %",
  "ECE %": "ECE %",
  "{0}, Accuracy %: {1}": "{0}, Genauigkeit %: {1}",
  "{0}, Accuracy %, mean of classes: {1}": "{0}, Genauigkeit %, Mittel der Klassen: {1}",
  "{0}, Accuracy %, views fused: {1}": "{0}, Genauigkeit %, Ansichten vereint: {1}",
  "{0}, Accuracy %, single photos: {1}": "{0}, Genauigkeit %, einzelne Fotos: {1}",
  "{0}, Near AUROC %: {1}": "{0}, AUROC nah %: {1}",
  "{0}, Near FPR95 %: {1}": "{0}, FPR95 nah %: {1}",
  "{0}, Far AUROC %: {1}": "{0}, AUROC fern %: {1}",
  "{0}, Far FPR95 %: {1}": "{0}, FPR95 fern %: {1}",
  "{0}, ECE %: {1}": "{0}, ECE %: {1}",
  near: "nah",
  far: "fern",
  "Every unknown class": "Jede unbekannte Klasse",
  "The {0#} unknown classes of {1#} that look most known":
    "Die {0} von {1} unbekannten Klassen, die am bekanntesten aussehen",

  // Objectives and arms.
  "Cross-entropy": "Kreuzentropie",
  "cross-entropy": "Kreuzentropie",
  Joint: "Kombiniert",
  "Generalized SupCon": "Verallgemeinertes SupCon",
  "Generalized SupCon + teacher": "Verallgemeinertes SupCon + Lehrer",
  "Generalized SupCon + mixing + teacher": "Verallgemeinertes SupCon + Mischen + Lehrer",
  "Generalized SupCon, mixed": "Verallgemeinertes SupCon, gemischt",
  "Cross-entropy, mixed": "Kreuzentropie, gemischt",
  "Hard SupCon": "SupCon mit schweren Negativen",
  "SupCon, mean inside": "SupCon, Mittel innen",
  Frozen: "Eingefroren",
  "{0} + {1}": "{0} + {1}",
  both: "beide",
  "near-OOD": "Near-OOD",
  background: "Hintergrundklasse",
  "outlier exposure": "Outlier Exposure",
  "Outlier exposure": "Outlier Exposure",
  "Outlier exposure, collages": "Outlier Exposure, Collagen",
  "energy margin": "Energieabstand",
  "Energy margin": "Energieabstand",
  mixing: "Mischen",
  augmented: "augmentiert",
  "collage background": "Hintergrundklasse aus Collagen",
  "SupCon, faithful as negatives": "SupCon, getreue als Negative",
  "Joint, faithful as negatives": "Kombiniert, getreue als Negative",
  "near-OOD, round trips": "Near-OOD, Autoencoder-Durchläufe",
  "sifted near-OOD": "gesichtete Near-OOD",
  "sifted both": "gesichtete beide",
  "sifted background": "gesichtete Hintergrundklasse",
  boundary: "Rand",
  "sifted boundary": "gesichteter Rand",

  // What each arm is.
  "SupCon and cross-entropy together on real photos alone":
    "SupCon und Kreuzentropie gemeinsam, nur auf echten Fotos",
  "SupCon and cross-entropy together; {0}": "SupCon und Kreuzentropie gemeinsam; {0}",
  "A classifier's loss on real photos alone": "Verlust eines Klassifikators, nur auf echten Fotos",
  "A classifier's loss; {0}": "Verlust eines Klassifikators; {0}",
  "The supervised contrastive loss on real photos alone":
    "Der überwachte kontrastive Verlust, nur auf echten Fotos",
  "Faithful redraws stand in for their photos: more positives":
    "Getreue Nachzeichnungen vertreten ihre Fotos: mehr Positive",
  "Near-OOD redraws are columns of the loss's denominator: negatives only":
    "Near-OOD-Nachzeichnungen sind Spalten im Nenner des Verlusts: reine Negative",
  "Faithful redraws as positives and near-OOD redraws as negatives":
    "Getreue Nachzeichnungen als Positive und Near-OOD-Nachzeichnungen als Negative",
  "faithful redraws stand in for their photos": "getreue Nachzeichnungen vertreten ihre Fotos",
  "near-OOD redraws are columns of SupCon's denominator":
    "Near-OOD-Nachzeichnungen sind Spalten im Nenner von SupCon",
  "faithful redraws as positives, near-OOD redraws as columns of SupCon's denominator":
    "getreue Nachzeichnungen als Positive, Near-OOD-Nachzeichnungen als Spalten im Nenner von SupCon",
  "near-OOD redraws are one class more of the classifier":
    "Near-OOD-Nachzeichnungen sind eine weitere Klasse des Klassifikators",
  "the classifier is to find every class equally likely for near-OOD redraws":
    "für Near-OOD-Nachzeichnungen soll der Klassifikator alle Klassen gleich wahrscheinlich finden",
  "near-OOD redraws are pushed above an energy, photos below another":
    "Near-OOD-Nachzeichnungen werden über eine Energie gedrängt, Fotos unter eine andere",
  "near-OOD redraws are one class more": "Near-OOD-Nachzeichnungen sind eine weitere Klasse",
  "near-OOD redraws are to find every class equally likely":
    "Near-OOD-Nachzeichnungen sollen alle Klassen gleich wahrscheinlich finden",
  "Near-OOD redraws are one class more of the contrastive loss: they attract each other":
    "Near-OOD-Nachzeichnungen sind eine weitere Klasse des kontrastiven Verlusts: Sie ziehen einander an",
  "Faithful redraws as columns of the loss's denominator: a control that must hurt":
    "Getreue Nachzeichnungen als Spalten im Nenner des Verlusts: eine Kontrolle, die schaden muss",
  "faithful redraws as columns of SupCon's denominator: a control that must hurt":
    "getreue Nachzeichnungen als Spalten im Nenner von SupCon: eine Kontrolle, die schaden muss",
  "Collages of photos, which need no generator, are columns of the loss's denominator":
    "Collagen aus Fotos, die keinen Generator brauchen, sind Spalten im Nenner des Verlusts",
  "flawed images of a variational autoencoder that learned from the training photos are columns of SupCon's denominator":
    "fehlerhafte Bilder eines Variational Autoencoders, der von den Trainingsfotos gelernt hat, sind Spalten im Nenner von SupCon",
  "collages of photos, which need no generator, are columns of SupCon's denominator":
    "Collagen aus Fotos, die keinen Generator brauchen, sind Spalten im Nenner von SupCon",
  "Classically augmented copies, which need no generator, stand in for their photos":
    "Klassisch augmentierte Kopien, die keinen Generator brauchen, vertreten ihre Fotos",
  "classically augmented copies, which need no generator, stand in for their photos":
    "klassisch augmentierte Kopien, die keinen Generator brauchen, vertreten ihre Fotos",
  "collages of photos, which need no generator, are one class more":
    "Collagen aus Fotos, die keinen Generator brauchen, sind eine weitere Klasse",
  "collages of photos, which need no generator, are to find every class equally likely":
    "Collagen aus Fotos, die keinen Generator brauchen, sollen alle Klassen gleich wahrscheinlich finden",
  "Photos through the autoencoder and back stand in for themselves: synthetic traces alone":
    "Fotos nach einem Durchlauf durch den Autoencoder vertreten sich selbst: nur synthetische Spuren",
  "photos through the autoencoder and back stand in for themselves: synthetic traces alone":
    "Fotos nach einem Durchlauf durch den Autoencoder vertreten sich selbst: nur synthetische Spuren",
  "Near-OOD redraws as negatives, and photos through the autoencoder and back as positives, so that synthetic traces tell nothing":
    "Near-OOD-Nachzeichnungen als Negative und Fotos nach einem Durchlauf durch den Autoencoder als Positive, sodass synthetische Spuren nichts verraten",
  "near-OOD redraws as negatives, and photos through the autoencoder and back as positives":
    "Near-OOD-Nachzeichnungen als Negative und Fotos nach einem Durchlauf durch den Autoencoder als Positive",
  "SupCon's other form, which one near photo of the class satisfies (L_in), on real photos alone":
    "Die andere Form von SupCon, der ein nahes Foto der Klasse genügt (L_in), nur auf echten Fotos",
  "The contrastive loss without labels (NT-Xent) on real photos alone":
    "Der kontrastive Verlust ohne Labels (NT-Xent), nur auf echten Fotos",
  "A photo and its faithful redraws attract each other, all other images repel":
    "Ein Foto und seine getreuen Nachzeichnungen ziehen einander an, alle anderen Bilder stoßen sich ab",
  "Images attract as much as their label distributions agree, on real photos alone":
    "Bilder ziehen einander so stark an, wie ihre Labelverteilungen übereinstimmen, nur auf echten Fotos",
  "Images attract as much as their labels and a cross-entropy classifier's answers agree (distillation), on real photos alone":
    "Bilder ziehen einander so stark an, wie ihre Labels und die Antworten eines Kreuzentropie-Klassifikators übereinstimmen (Destillation), nur auf echten Fotos",
  "Images attract as much as their labels and the answers of a classifier trained so agree, on real photos mixed with each other":
    "Bilder ziehen einander so stark an, wie ihre Labels und die Antworten eines ebenso trainierten Klassifikators übereinstimmen, auf miteinander gemischten echten Fotos",
  "A classifier's loss on real photos that are mixed with each other (MixUp, CutMix)":
    "Verlust eines Klassifikators auf echten Fotos, die miteinander gemischt werden (MixUp, CutMix)",
  "Images attract as much as their label distributions agree, on real photos mixed with each other":
    "Bilder ziehen einander so stark an, wie ihre Labelverteilungen übereinstimmen, auf miteinander gemischten echten Fotos",
  "Near-OOD redraws stand in for their photos with soft labels between two classes":
    "Near-OOD-Nachzeichnungen vertreten ihre Fotos mit weichen Labels zwischen zwei Klassen",
  "SupCon in which the nearer photos of other classes count more (H-SCL), on real photos alone":
    "SupCon, in dem nähere Fotos anderer Klassen mehr zählen (H-SCL), nur auf echten Fotos",
  "Published features as they are: no training, a linear probe and the detectors":
    "Veröffentlichte Merkmale unverändert: kein Training, ein linearer Klassifikator und die Detektoren",
  "Near-OOD redraws that lie just outside of every class are columns of the loss's denominator":
    "Near-OOD-Nachzeichnungen knapp außerhalb jeder Klasse sind Spalten im Nenner des Verlusts",
  "near-OOD redraws that lie just outside of every class are columns of SupCon's denominator":
    "Near-OOD-Nachzeichnungen knapp außerhalb jeder Klasse sind Spalten im Nenner von SupCon",
  "sifted faithful redraws as positives, sifted near-OOD redraws as columns of SupCon's denominator":
    "gesichtete getreue Nachzeichnungen als Positive, gesichtete Near-OOD-Nachzeichnungen als Spalten im Nenner von SupCon",
  "near-OOD redraws that lie just outside of every class are one class more":
    "Near-OOD-Nachzeichnungen knapp außerhalb jeder Klasse sind eine weitere Klasse",

  "redraws that a judge led to just outside of every class are columns of SupCon's denominator":
    "Nachzeichnungen, die ein Richter knapp außerhalb jeder Klasse geführt hat, sind Spalten im Nenner von SupCon",
  "of the redraws that a judge led to just outside of every class those that came there are columns of SupCon's denominator":
    "von den Nachzeichnungen, die ein Richter knapp außerhalb jeder Klasse geführt hat, sind die dort angekommenen Spalten im Nenner von SupCon",

  "Recipes that an arm has seen, and others": "Rezepte, die ein Arm gesehen hat, und andere",
  yes: "ja",
  no: "nein",

  // Images, recipes and what they are used as.
  "faithful redraws": "getreue Nachzeichnungen",
  "near-OOD redraws": "Near-OOD-Nachzeichnungen",
  "sifted faithful redraws": "gesichtete getreue Nachzeichnungen",
  "boundary redraws": "Rand-Nachzeichnungen",
  "sifted boundary redraws": "gesichtete Rand-Nachzeichnungen",
  "sifted near-OOD redraws": "gesichtete Near-OOD-Nachzeichnungen",
  "Faithful redraws": "Getreue Nachzeichnungen",
  "Near-OOD redraws": "Near-OOD-Nachzeichnungen",
  collages: "Collagen",
  "augmented copies": "augmentierte Kopien",
  "round trips": "Autoencoder-Durchläufe",
  "round trip": "Autoencoder-Durchlauf",
  Images: "Bilder",
  "negatives only": "reine Negative",
  "one extra class": "eine weitere Klasse",
  faithful: "getreu",
  drift: "Abdrift",
  crossed: "gekreuzt",
  "class name": "Klassenname",
  "noisy word": "verrauschtes Wort",
  unconditional: "ohne Bedingung",
  interpolated: "interpoliert",
  jigsaw: "Puzzle",
  blend: "Überblendung",
  patches: "Flicken",
  elastic: "elastisch",
  "sifted {0}": "gesichtete {0}",
  "{0} faithful images": "getreue Bilder ({0})",
  "{0} near-OOD images": "Near-OOD-Bilder ({0})",
  "GAN truncated": "GAN, beschnitten",
  "GAN untruncated": "GAN, unbeschnitten",
  "GAN mixed classes": "GAN, gemischte Klassen",
  "GAN early": "GAN, früher Stand",
  "DDPM faithful": "DDPM, getreu",
  "DDPM drift": "DDPM, Abdrift",
  "DDPM crossed": "DDPM, gekreuzt",
  "DDPM early": "DDPM, früher Stand",
  "unCLIP variation": "unCLIP, Variation",
  "unCLIP drift": "unCLIP, Abdrift",
  "unCLIP interpolation": "unCLIP, Interpolation",
  "unCLIP text difference": "unCLIP, Textdifferenz",
  "unCLIP crossed words": "unCLIP, gekreuzte Wörter",
  "VAE posterior": "VAE, A-posteriori-Ziehung",
  "VAE latent noise": "VAE, latentes Rauschen",
  "VAE prior": "VAE, A-priori-Ziehung",
  "VAE interpolation": "VAE, Interpolation",
  "Autoencoder posterior": "Autoencoder, A-posteriori-Ziehung",
  "Autoencoder latent noise": "Autoencoder, latentes Rauschen",
  "Autoencoder prior": "Autoencoder, A-priori-Ziehung",
  "Autoencoder interpolation": "Autoencoder, Interpolation",
  Autoencoder: "Autoencoder",
  "Latent diffusion": "Latente Diffusion",
  doubtful: "zweifelhaft",
  "another class": "andere Klasse",
  "still sure": "noch sicher",
  "too far": "zu weit",
  "Just outside of every class": "knapp außerhalb jeder Klasse",
  "no noise": "ohne Rauschen",
  "the model": "das Modell",
  "Turned away": "Abgelehnt",
  Accepted: "Angenommen",
  "At {0#} from its class (known to 1), and called so":
    "Abstand {0} von der eigenen Klasse (bekannt bis 1), und so benannt",
  "At {0#} from its class (known to 1), but called {1!}":
    "Abstand {0} von der eigenen Klasse (bekannt bis 1), aber benannt als {1}",
  "At {0#} from {1!} (known to 1)": "Abstand {0} von {1} (bekannt bis 1)",
  "At {0#} from the nearest class (near to {1#})": "Abstand {0} von der nächsten Klasse (nah bis {1})",
  "Called its class with a probability of {0#} (at most {1#})":
    "Als die eigene Klasse benannt mit Wahrscheinlichkeit {0} (höchstens {1})",
  "At {0#} from the nearest class (1 to {1#})": "Abstand {0} von der nächsten Klasse (1 bis {1})",

  // Detectors.
  "Near unknowns": "Nahe Unbekannte",
  "Far unknowns": "Ferne Unbekannte",
  "their features' mean": "Mittel ihrer Merkmale",
  "their scores' mean": "Mittel ihrer Werte",
  "the least known view": "die am wenigsten bekannte Ansicht",
  "Mean AUROC over arms and seeds of the known validation photos against the validation unknowns.":
    "Mittlerer AUROC über Arme und Seeds der bekannten Validierungsfotos gegen die Validierungsunbekannten.",
  "The photos have no near unknown classes to spare for choices. Mean AUROC over arms and seeds of the known validation photos against images that stand in for unknowns: near-OOD redraws, where there are any, and known validation photos as jigsaws and mixed with photos of other classes (CutMix), each kind with the same say.":
    "Die Fotos haben keine nahen unbekannten Klassen für Auswahlen übrig. Mittlerer AUROC über Arme und Seeds der bekannten Validierungsfotos gegen Bilder, die für Unbekannte stehen: Near-OOD-Nachzeichnungen, soweit vorhanden, und bekannte Validierungsfotos als Puzzles und gemischt mit Fotos anderer Klassen (CutMix), jede Art mit gleichem Gewicht.",
  "There was nothing to choose by: the first candidate was taken.":
    "Es gab nichts, wonach zu wählen war: Der erste Kandidat wurde genommen.",
  "known kept %": "Bekannte behalten %",
  "near unknowns flagged %": "nahe Unbekannte erkannt %",
  "far unknowns flagged %": "ferne Unbekannte erkannt %",
  "ROC, near unknowns": "ROC, nahe Unbekannte",
  "ROC, far unknowns": "ROC, ferne Unbekannte",
  "share of unknowns let through": "Anteil durchgelassener Unbekannter",
  "share of known kept": "Anteil behaltener Bekannter",
  "Risk over coverage": "Risiko über Abdeckung",
  "share of known photos answered": "Anteil beantworteter bekannter Fotos",
  "share that is wrong": "Anteil falscher Antworten",
  "Temperature scaling": "Temperaturskalierung",
  Energy: "Energie",
  Entropy: "Entropie",
  "Max logit": "Größter Logit",
  "Cosine prototypes": "Kosinus-Prototypen",
  "KL matching": "KL-Abgleich",
  "Multi-layer KNN": "KNN über mehrere Schichten",
  "Multi-layer Mahalanobis": "Mahalanobis über mehrere Schichten",
  "Nearest photo + Mahalanobis": "Nächstes Foto + Mahalanobis",
  "Abnormality module": "Abnormitätsmodul",
  "Reconstruction error": "Rekonstruktionsfehler",
  "Relative Mahalanobis": "Relative Mahalanobis-Distanz",

  // Scores, map, mistakes.
  known: "bekannt",
  unknown: "unbekannt",
  "near unknowns": "nahe Unbekannte",
  "far unknowns": "ferne Unbekannte",
  "Scores, {0}": "Werte, {0}",
  "score of {0}": "Wert von {0}",
  "of the photos": "der Fotos",
  "known photos of the test": "bekannte Testfotos",
  "photos learned from": "Trainingsfotos",
  "Map of the features, {0}": "Karte der Merkmale, {0}",
  "first component, {0#} % of the variance": "erste Hauptkomponente, {0} % der Varianz",
  "second, {0#} %": "zweite, {0} %",
  "UMAP of the features, {0}": "UMAP der Merkmale, {0}",
  UMAP: "UMAP",
  "only neighbours count, not axes": "nur Nachbarschaft zählt, nicht die Achsen",
  "Named wrongly, and most sure of it": "Falsch benannt, und am sichersten dabei",
  "Near unknowns that look most known": "Nahe Unbekannte, die am bekanntesten aussehen",
  "Far unknowns that look most known": "Ferne Unbekannte, die am bekanntesten aussehen",
  "Known photos that look most unknown": "Bekannte Fotos, die am unbekanntesten aussehen",
  "Confusion, {0}": "Verwechslungen, {0}",
  "{0!} → {1!}: {2#} of {3#}": "{0} → {1}: {2} von {3}",

  // Training.
  "Training loss, {0}": "Trainingsverlust, {0}",
  "training step": "Trainingsschritt",
  loss: "Verlust",
  "what an encoder gives that has learned nothing": "was ein Encoder ergibt, der nichts gelernt hat",
  "seed {0#}": "Seed {0}",
  "training photos, seed {0#}": "Trainingsfotos, Seed {0}",
  "validation photos, seed {0#}": "Validierungsfotos, Seed {0}",
  "accuracy on training and validation photos, {0}": "Genauigkeit auf Trainings- und Validierungsfotos, {0}",
  "loss on training and validation photos, {0}": "Verlust auf Trainings- und Validierungsfotos, {0}",
  "Loss of the denoiser under the words on training and validation photos":
    "Verlust des Entrauschers unter den Wörtern auf Trainings- und Validierungsfotos",
  "The words are those after {0} steps.": "Die Wörter sind die nach {0} Schritten.",
  "{0#} of {1#} encoders are kept as they were before their last step: after {2#} steps.":
    "{0} von {1} Encodern sind im Stand vor ihrem letzten Schritt behalten: nach {2} Schritten.",
  "{0#} of {1#} encoders are kept as they were before their last step: after {2#} to {3#} steps.":
    "{0} von {1} Encodern sind im Stand vor ihrem letzten Schritt behalten: nach {2} bis {3} Schritten.",

  // Methods.
  "{0} of {1#} near": "{0} aus {1} nahen",
  "{0} of {1#} far": "{0} aus {1} fernen",
  "{0} \\cite{{1!}}": "{0} \\cite{{1}}",
  " \\cite{{0!}}": " \\cite{{0}}",
  " \\cite{{0!}}.": " \\cite{{0}}.",
  "We used {0} of {1} in {2}, and {3} unknown classes that nothing was trained on, at {4#} x {5#} pixels.":
    "Verwendet wurden {0} ({1}, {2}) und {3} unbekannten Klassen, auf denen nichts trainiert wurde, mit {4} x {5} Pixeln.",
  "We used {0} of {1} in {2}, without unknown classes, at {3#} x {4#} pixels.":
    "Verwendet wurden {0} ({1}, {2}) ohne unbekannte Klassen, mit {3} x {4} Pixeln.",
  "Photos were divided by physical object: for each of {0}, {1#} objects of a class to learn from, {2#} set aside once for every choice, the rest for the test.":
    "Die Fotos wurden nach physischen Objekten aufgeteilt, je Seed neu ({0}): {1} Objekte jeder Klasse zum Lernen, {2} einmalig für alle Auswahlen zurückgelegt, der Rest für den Test.",
  "Encoders ({0!}, from random weights) were trained for {1#} steps on batches of {2} with {3}, followed by a linear classifier on the frozen features.":
    "Encoder ({0}, aus zufälligen Gewichten) wurden {1} Schritte lang auf Batches zu je {2} mit {3} trainiert, gefolgt von einem linearen Klassifikator auf den eingefrorenen Merkmalen.",
  "Encoders ({0!}, from published weights) were trained for {1#} steps on batches of {2} with {3}, followed by a linear classifier on the frozen features.":
    "Encoder ({0}, aus veröffentlichten Gewichten) wurden {1} Schritte lang auf Batches zu je {2} mit {3} trainiert, gefolgt von einem linearen Klassifikator auf den eingefrorenen Merkmalen.",
  "Encoders ({0!}, from random weights, {1!} trained) were trained for {2#} steps on batches of {3} with {4}, followed by a linear classifier on the frozen features.":
    "Encoder ({0}, aus zufälligen Gewichten, trainiert: {1}) wurden {2} Schritte lang auf Batches zu je {3} mit {4} trainiert, gefolgt von einem linearen Klassifikator auf den eingefrorenen Merkmalen.",
  "Encoders ({0!}, from published weights, {1!} trained) were trained for {2#} steps on batches of {3} with {4}, followed by a linear classifier on the frozen features.":
    "Encoder ({0}, aus veröffentlichten Gewichten, trainiert: {1}) wurden {2} Schritte lang auf Batches zu je {3} mit {4} trainiert, gefolgt von einem linearen Klassifikator auf den eingefrorenen Merkmalen.",
  "Beside real photos, arms had {0} (use of negatives: {1}).":
    "Neben echten Fotos erhielten die Arme {0} (Einsatz der Negative: {1}).",
  "Beside real photos, arms had {0}.": "Neben echten Fotos erhielten die Arme {0}.",
  "Redraws were drawn by {0!} with a word learned for each class{1}":
    "Die Nachzeichnungen stammen von {0}, mit einem für jede Klasse gelernten Wort{1}",
  "Unknowns were told by {0}. {1}": "Unbekannte wurden erkannt mit {0}. {1}",
  "Features were laid out in the plane by UMAP{0} with {1} neighbours, from their first two principal components.":
    "Merkmale wurden mit UMAP{0} und {1} Nachbarn in die Ebene gelegt, ausgehend von ihren ersten beiden Hauptkomponenten.",
  "Differences between arms are paired by seed; their {0#} % intervals add the variance between seeds and that of a bootstrap over test objects, with Satterthwaite's degrees of freedom{1}; differences below {2#} points count as none.":
    "Unterschiede zwischen Armen sind nach Seed gepaart; ihre {0}-%-Konfidenzintervalle addieren die Varianz zwischen Seeds und die eines Bootstraps über Testobjekte, mit Freiheitsgraden nach Satterthwaite{1}; Unterschiede unter {2} Prozentpunkten gelten als keine.",
  "The p-values of {0} were corrected by Holm's procedure{1}":
    "Die p-Werte wurden nach dem Verfahren von Holm korrigiert ({0}){1}",
  "Computed with Penumbra {0!} (libtorch {1!}, {2!}) on {3!}.":
    "Berechnet mit Penumbra {0} (libtorch {1}, {2}) auf {3}.",

  // What ran.
  Processor: "Prozessor",
  Device: "Gerät",
  Precision: "Genauigkeit der Zahlen",
  Threads: "Threads",
  "{0!} as set": "{0}, wie eingestellt",
  "{0!}: the device is a CUDA device": "{0}: Das Gerät ist ein CUDA-Gerät",
  "{0!}: the processor has {1!}": "{0}: Der Prozessor hat {1}",
  "{0!}: the processor has neither AVX512-BF16 nor AMX-BF16":
    "{0}: Der Prozessor hat weder AVX512-BF16 noch AMX-BF16",
  "Peak memory": "Größter Speicherbedarf",
  "Working time": "Arbeitszeit",
  "Diffusion model": "Diffusionsmodell",
  Seeds: "Seeds",
  Versions: "Versionen",
  Finished: "Fertiggestellt",
  Known: "Bekannte",
  "penumbra {0!}, libtorch {1!}, Node {2!}": "penumbra {0}, libtorch {1}, Node {2}",
  "{0#} train": "{0} Training",
  "{0#} validation": "{0} Validierung",
  "{0#} test": "{0} Test",
  "{0#} near validation": "{0} nahe Validierung",
  "{0#} near test": "{0} naher Test",
  "{0#} far test": "{0} ferner Test",
  "{0#} kept": "{0} übernommen",
  "{0#} resumed": "{0} fortgesetzt",
  scan: "Einlesen",
  decode: "Dekodieren",
  words: "Wörter",
  redraw: "Nachzeichnen",
  images: "Bilder",
  sift: "Sichten",
  encoder: "Encoder",
  probe: "Klassifikator",
  features: "Merkmale",
  score: "Bewerten",
  nearness: "Nähe",
  model: "Modell",
  weights: "Gewichte",
  split: "Aufteilen",
  folder: "Ordner",
  generator: "Generator",
  unlearned: "Bilder nur zum Prüfen",
  "stand-ins": "Stellvertreter",
  "feature-map": "Merkmalskarte",
  "round-trips": "Autoencoder-Durchläufe",
  compare: "Vergleichen",
  "operating points": "Arbeitspunkte",

  // Other pages: check, evaluate, predict --explain.
  "{0}, {1} times in all": "{0}, zusammen {1} Mal",
  "{0#} are ones that it was made with and {1#} look almost the same as one of these":
    "gehören {0} zu denen, mit denen er gemacht wurde, und {1} sehen fast so aus wie eines davon",
  "{0#} are ones that it was made with": "gehören {0} zu denen, mit denen er gemacht wurde",
  "{0#} look almost the same as one of these": "sehen {0} fast so aus wie eines, mit dem er gemacht wurde",
  "It names {0#} % of the known {1} rightly, and calls {2#} % of the near unknown and {3#} % of the far unknown {4} unknown, with false alarms for {5#} % of the known":
    "Richtig benannt: {0} % der Bekannten ({1}); unbekannt genannt: {2} % der nahen und {3} % der fernen Unbekannten ({4}); Fehlalarme: {5} % der Bekannten",
  "It names {0#} % of the known {1} rightly, and calls {2#} % of the near unknown {3} unknown, with false alarms for {4#} % of the known":
    "Richtig benannt: {0} % der Bekannten ({1}); unbekannt genannt: {2} % der nahen Unbekannten ({3}); Fehlalarme: {4} % der Bekannten",
  "It names {0#} % of the known {1} rightly, and calls {2#} % of the far unknown {3} unknown, with false alarms for {4#} % of the known":
    "Richtig benannt: {0} % der Bekannten ({1}); unbekannt genannt: {2} % der fernen Unbekannten ({3}); Fehlalarme: {4} % der Bekannten",
  "It names {0#} % of the known {1} rightly, and calls {2#} % of them unknown":
    "Richtig benannt: {0} % der Bekannten ({1}); unbekannt genannt: {2} % davon",
  "None of {0#} images passed the sift ({1}): arms that were to learn from them did without. The sift's own figures below say whether its judge can tell near unknowns from known ones at all; more attempts or another band may help.":
    "Keines von {0} Bildern bestand die Sichtung ({1}): Arme, die daraus lernen sollten, mussten ohne auskommen. Ob der Richter nahe Unbekannte überhaupt von Bekannten unterscheidet, sagen die Zahlen der Sichtung weiter unten; mehr Versuche oder ein anderes Band können helfen.",
  "Only {0#} of {1#} images passed the sift ({2}): arms learned from fewer than they were to. More attempts or another band may help.":
    "Nur {0} von {1} Bildern bestanden die Sichtung ({2}): Arme lernten aus weniger Bildern als vorgesehen. Mehr Versuche oder ein anderes Band können helfen.",
  "{0}, {1} with {2} a class": "{0}, {1}, {2} je Klasse",
  'Photos of {0} unknowns have a median of {1#} pixels, those of known classes {2#}: scaled to one size they differ in sharpness, and "unknown" becomes too easy. Take both with the same camera and setting.':
    "Fotos von Unbekannten ({0}) haben im Median {1} Pixel, die bekannter Klassen {2}: Auf eine Größe gebracht unterscheiden sie sich in der Schärfe, und „unbekannt“ wird zu leicht. Beide mit derselben Kamera und Einstellung aufnehmen.",
  ", {0#} more": ", {0} weitere",
  "file or folder": "Datei oder Ordner",
  "files and folders": "Dateien und Ordner",
  finding: "Befund",
  findings: "Befunde",
  "AURC %": "AURC %",
  "AUROC %": "AUROC %",
  "FPR95 %": "FPR95 %",
  "OSCR %": "OSCR %",
  "ECE %, mean of classes": "ECE %, Mittel der Klassen",
  "ECE %, bins of equally many": "ECE %, gleich volle Klassen der Konfidenz",
  "AUPR of known %": "AUPR der Bekannten %",
  "AUPR of unknown %": "AUPR der Unbekannten %",
  "unknown let through where 95 % of known are kept %":
    "durchgelassene Unbekannte, wo 95 % der Bekannten bleiben %",
  "known flagged where 95 % of unknown are %":
    "gemeldete Bekannte, wo 95 % der Unbekannten gemeldet werden %",
  "CCR where 10 % of unknown are let through %": "CCR, wo 10 % der Unbekannten durchgelassen werden %",
  "CCR where 1 % of unknown are let through %": "CCR, wo 1 % der Unbekannten durchgelassen wird %",
  Brier: "Brier",
  "By object": "Je Objekt",
  "By photo": "Je Foto",
  Confusion: "Verwechslungen",
  risk: "Risiko",
  "accuracy %": "Genauigkeit %",
  "accuracy %, mean of classes": "Genauigkeit %, Mittel der Klassen",
  "among the five likeliest %": "unter den fünf wahrscheinlichsten %",
  "called unknown %": "unbekannt genannt %",
  "false alarms %": "Fehlalarme %",
  "log loss, nats": "Log-Verlust, Nats",
  "macro F1 %": "Makro-F1 %",
  number: "Anzahl",
  "precision %": "Präzision %",
  "recall %": "Trefferquote %",
  "F1 %": "F1 %",
  "right among those not flagged %": "richtig unter den nicht Gemeldeten %",
  "Cannot be read": "Nicht lesbar",
  "Not an image": "Kein Bild",
  "Outside any class": "Außerhalb jeder Klasse",
  "Too deep": "Zu tief",
  "Broken links": "Tote Verweise",
  "Without a role": "Ohne Rolle",
  "Empty classes": "Leere Klassen",
  "The same picture twice": "Dasselbe Bild zweimal",
  "Almost the same picture": "Fast dasselbe Bild",
  "Class names that look the same": "Klassennamen, die gleich aussehen",
  "Frames of one recording": "Bilder einer Aufnahme",
  "Leaks between given splits": "Überschneidungen gegebener Aufteilungen",
  "Labels that may be wrong": "Vielleicht falsche Klassen",
  "Read though damaged": "Trotz Schadens gelesen",
  "Shows nothing": "Zeigt nichts",
  "Very dark": "Sehr dunkel",
  Blurred: "Unscharf",
  "Very small": "Sehr klein",
  "Unusual proportions": "Ungewöhnliche Proportionen",
  "Views missing": "Fehlende Ansichten",
};
