import type { Dictionary } from "./dictionary.ts";

/** German pieces of templates, in the order of the page. */
export const templates: Dictionary["templates"] = {
  // page.ts
  "{0}: Penumbra study": "{0}: Penumbra-Studie",
  "Penumbra study “{0}”": "Penumbra-Studie „{0}“",
  Sections: "Abschnitte",
  "Made by Penumbra {0}. The same numbers as data: results.jsonl and report.json beside this page.":
    "Erstellt mit Penumbra {0}. Dieselben Zahlen als Daten: results.jsonl und report.json neben dieser Seite.",

  // sections/answer.ts
  "{0} points": "{0} Prozentpunkte",
  "With {0} instead of no synthetic images{1}:":
    "Unterschied durch {0} gegenüber Training ohne synthetische Bilder{1}:",
  "<b>One seed decides nothing.</b> How much the result changes with another draw of training photos cannot be seen from a single one. Run with at least two seeds, better five: <code>--seeds 5</code>.":
    "<b>Ein Seed entscheidet nichts.</b> Wie stark sich das Ergebnis mit einer anderen Ziehung der Trainingsfotos ändert, ist an einem einzelnen nicht zu erkennen. Nötig sind mindestens zwei Seeds, besser fünf: <code>--seeds 5</code>.",
  "<b>{0} are few.</b> The {1} % intervals rest on {2}: honest, but {3}. Five seeds or more (<code>--seeds 5</code>) give a useful answer; what is there is not computed again.":
    "<b>{0} sind wenig.</b> Grundlage der {1}-%-Konfidenzintervalle: {2}. Das ist ehrlich, aber {3}. Ab fünf Seeds (<code>--seeds 5</code>) ist eine brauchbare Antwort zu erwarten; Vorhandenes wird nicht neu berechnet.",
  "<b>Mind when reading the numbers:</b>": "<b>Beim Lesen der Zahlen zu beachten:</b>",
  "To use it: <code>{0}</code> makes a classifier. {1}":
    "Zur Verwendung: <code>{0}</code> macht daraus einen Klassifikator. {1}",
  "Differences between arms": "Unterschiede zwischen den Armen",
  "Measured by": "Gemessen an",
  Answer: "Antwort",
  Points: "Prozentpunkte",
  "{0} % interval": "{0}-%-Konfidenzintervall",
  worse: "schlechter",
  better: "besser",
  "How to read this": "Lesehilfe",
  "Each question compares arms that differ only in it, seed by seed: the same objects to learn from, the same test photos, the same first weights and order of photos. Where several pairs of arms differ in it, it is the main effect: the mean over the arms with it minus the mean over the arms without.":
    "Jede Frage vergleicht Arme, die sich nur in ihr unterscheiden, Seed für Seed: dieselben Trainingsobjekte, dieselben Testfotos, dieselben Anfangsgewichte und dieselbe Reihenfolge der Fotos. Unterscheiden sich mehrere Paare von Armen darin, so ist es der Haupteffekt: das Mittel über die Arme mit minus das Mittel über die Arme ohne.",
  "<b>Dot</b>: mean difference. <b>Small ticks</b>: the single seeds. <b>Thin line</b>: {0} % interval over seeds and test objects, which decides the answer (an arrow: it reaches beyond the picture): the variance between seeds and that of a bootstrap over the physical objects of the test, added, with Satterthwaite's degrees of freedom. <b>Thick bar</b>: bootstrap over the objects alone, for these very trainings. <b>By object</b>: the views of an object count as one item, by their mean feature where the detector reads it. <b>Grey band</b>: differences below {1} points, which this study calls no difference. The intervals are not adjusted for the number of questions.":
    "<b>Punkt</b>: mittlerer Unterschied. <b>Kleine Striche</b>: die einzelnen Seeds. <b>Dünne Linie</b>: {0}-%-Konfidenzintervall über Seeds und Testobjekte, das über die Antwort entscheidet (Pfeil: reicht über das Bild hinaus); es addiert die Varianz zwischen den Seeds und die eines Bootstraps über die physischen Objekte des Tests, mit Freiheitsgraden nach Satterthwaite. <b>Dicker Balken</b>: Bootstrap allein über die Objekte, für genau diese Trainings. <b>Je Objekt</b>: Die Ansichten eines Objekts zählen als eines, über ihr mittleres Merkmal, wo der Detektor es liest. <b>Graues Band</b>: Unterschiede unter {1} Prozentpunkten, die in dieser Studie als kein Unterschied gelten. Die Intervalle sind nicht für die Anzahl der Fragen korrigiert.",

  // sections/hypotheses.ts
  Hypotheses: "Hypothesen",
  Hypothesis: "Hypothese",
  "p (Holm)": "p (Holm)",
  "p (sign flips)": "p (Vorzeichentest)",
  "To decide": "Zur Entscheidung nötig",
  "<b>Interval</b> and <b>p</b>: over seeds and test objects; p is two-sided and corrected for the number of rows (Holm), so that in 95 of 100 studies where nothing has an effect no row says so. <b>Sign flips</b>: a permutation test of the seeds' differences that assumes no distribution and knows nothing of test objects; with {0} it cannot say less than {1}. <b>To decide</b>: what would find the measured difference in four of five repetitions, and the smallest difference that a study of this size finds as often, at the level that is left for each row which is not decided. Where more seeds cannot do it, the test objects are too few: their part of the chance does not shrink with seeds.":
    "<b>Konfidenzintervall</b> und <b>p</b>: über Seeds und Testobjekte; p ist zweiseitig und für die Anzahl der Zeilen korrigiert (Holm), sodass in 95 von 100 Studien ohne jeden Effekt keine Zeile einen meldet. <b>Vorzeichentest</b>: Permutationstest der Unterschiede je Seed, der keine Verteilung voraussetzt und die Testobjekte nicht kennt; kleinster möglicher Wert für {0}: {1}. <b>Zur Entscheidung nötig</b>: was den gemessenen Unterschied in vier von fünf Wiederholungen fände, und der kleinste Unterschied, den eine Studie dieser Größe ebenso oft findet, zu dem Niveau, das für jede nicht entschiedene Zeile bleibt. Wo mehr Seeds nicht genügen, sind es zu wenige Testobjekte: Ihr Anteil am Zufall sinkt nicht mit der Zahl der Seeds.",

  // sections/arms.ts
  Arms: "Arme",
  Arm: "Arm",
  "Means over {0} on test photos that nothing was chosen by; a dot is one seed, bold the best mean. AUROC: 50 is chance, 100 perfect. FPR95: share of unknowns let through where 95 % of the known are kept (<code>fpr95IdPositive</code>); lower is better, as is ECE, the gap between confidence and accuracy.":
    "Mittelwerte über {0} auf Testfotos, nach denen nichts gewählt wurde; ein Punkt ist ein Seed, fett das beste Mittel. AUROC: 50 ist Zufall, 100 fehlerfrei. FPR95: Anteil der durchgelassenen Unbekannten, wenn 95 % der Bekannten behalten werden (<code>fpr95IdPositive</code>); kleiner ist besser, ebenso beim ECE, dem Abstand zwischen Konfidenz und Genauigkeit.",
  "What each arm is": "Was die Arme unterscheidet",
  "{0}: AUROC of {1} in %, mean over seeds": "{0}: AUROC ({1}) in %, Mittel über Seeds",
  "Unknown classes": "Unbekannte Klassen",
  "Every measure": "Alle Maße",
  Measures: "Maße",
  "Means over the seeds on test photos; near and far unknowns by {0}. CCR: share of the known that are named rightly and not flagged; OSCR: its mean over all shares of unknowns let through; AURC: mean share of wrong names over all shares of answers given, the surest first.":
    "Mittel über die Seeds auf Testfotos; nahe und ferne Unbekannte mit {0}. CCR: Anteil der Bekannten, die richtig benannt und nicht gemeldet werden; OSCR: sein Mittel über alle Anteile durchgelassener Unbekannter; AURC: mittlerer Anteil falscher Namen über alle Anteile gegebener Antworten, die sichersten zuerst.",
  "Unknown class": "Unbekannte Klasse",
  "results.jsonl has all.": "results.jsonl enthält alle.",

  // sections/learning.ts
  "Learning curves": "Lernkurven",
  "Every arm at every seed learned from {0} objects of each class; the fewer are among the more, and all are tested on the same objects. Whiskers are {1} % intervals over seeds and test objects; those of one curve share their test. The detector is {2} throughout, as it was chosen for what the rest of this page is about: {3} a class.":
    "Jeder Arm lernte bei jedem Seed aus {0} Objekten je Klasse; die wenigen sind unter den vielen, und getestet wird stets an denselben Objekten. Striche sind {1}-%-Konfidenzintervalle über Seeds und Testobjekte; die einer Kurve teilen sich ihren Test. Der Detektor ist überall {2}, wie er für das gewählt wurde, wovon der Rest dieser Seite handelt: {3} je Klasse.",
  "Figure, %": "Größe, %",
  Figure: "Größe",
  Question: "Frage",
  "The hypotheses by the number of objects": "Die Hypothesen nach der Anzahl der Objekte",
  "Hypotheses by objects to learn from": "Hypothesen nach der Anzahl der Trainingsobjekte",
  "p-values are corrected for the hypotheses of one column (Holm), not for the number of columns: the study's answer is one of them, {0}.":
    "Die p-Werte sind für die Hypothesen einer Spalte korrigiert (Holm), nicht für die Anzahl der Spalten: Die Antwort der Studie ist eine davon, {0}.",
  "All questions by the number of objects": "Alle Fragen nach der Anzahl der Objekte",
  "Questions by objects to learn from": "Fragen nach der Anzahl der Trainingsobjekte",

  // sections/sheet.ts
  "Each row starts with a training photo.": "Jede Zeile beginnt mit einem Trainingsfoto.",
  "<b>Faithful</b> images stay in the class and are used as positives;":
    "<b>Getreue</b> Bilder bleiben in der Klasse und dienen als Positive;",
  "<b>near-OOD</b> images fall beside it and are used as negatives only. <b>Strength</b> says how far from its photo an image was drawn: 0 leaves it as it is.{0}":
    "<b>Near-OOD</b>-Bilder fallen neben die Klasse und dienen nur als Negative. Die <b>Stärke</b> gibt an, wie weit von seinem Foto entfernt ein Bild gezeichnet wurde: 0 lässt es unverändert.{0}",
  "Of redraws it is the noise that the photo was given before {0} drew it again, 1 being almost pure noise; t is the noise level that this resolves to, signal the share of the photo that survives it.":
    "Bei Nachzeichnungen ist es das Rauschen, das das Foto bekam, bevor {0} es neu zeichnete, und 1 fast reines Rauschen; t ist die zugehörige Rauschstufe, Signal der Anteil des Fotos, der sie übersteht.",
  "training photo of {0}": "Trainingsfoto von {0}",
  "<b>photo</b>": "<b>Foto</b>",
  towards: "in Richtung",
  "t {0}": "t {0}",
  "{0} · signal {1}": "{0} · Signal {1}",
  "{0} of {1}": "{0} von {1}",
  // sections/source-table.ts
  "The sources side by side": "Die Quellen nebeneinander",
  "Time is a mean over seeds. Memory is the most that the process held meanwhile, with all that it held before: it compares sources of one run.{0}":
    "Zeiten sind Mittel über die Seeds. Speicher ist das meiste, was der Prozess währenddessen belegte, mit allem, was er schon vorher hielt: Er vergleicht Quellen eines Laufs.{0}",
  "Jensen-Shannon divergence, in nats: how far drawn images are from photos for the discriminator, 0: it cannot tell them apart, 0.693: always.":
    "Jensen-Shannon-Divergenz in Nats: wie weit gezeichnete Bilder für den Diskriminator von Fotos entfernt sind, 0: Er kann sie nicht unterscheiden, 0,693: immer.",
  "Sources of images": "Quellen der Bilder",
  Source: "Quelle",
  Memory: "Speicher",
  "Jensen-Shannon": "Jensen-Shannon",
  Drawing: "Zeichnen",
  Steps: "Schritte",
  Training: "Training",
  "<b>Mode collapse</b> of {0} at seed {1}: samples differ from each other by {2} % of what photos do, so they are nearly one image over and over.":
    "<b>Mode Collapse</b> von {0} bei Seed {1}: Die Bilder unterscheiden sich untereinander um {2} % dessen, was Fotos tun; es ist also fast immer dasselbe Bild.",

  "How many still look known": "Wie viele noch bekannt aussehen",
  "Judged by the encoder that saw no synthetic image: a redraw looks known where its Mahalanobis score is above the one that 95 % of the known validation photos reach. Faithful redraws should, near-OOD redraws should not: those that do are negatives that lie inside a class.":
    "Beurteilt mit dem Encoder, der kein synthetisches Bild gesehen hat: Eine Nachzeichnung sieht bekannt aus, wenn ihr Mahalanobis-Wert über dem liegt, den 95 % der bekannten Validierungsfotos erreichen. Getreue Nachzeichnungen sollen es, Near-OOD-Nachzeichnungen nicht: Solche sind Negative, die innerhalb einer Klasse liegen.",
  "FID and KID say how far the images are from known validation photos by the features of an encoder that saw no synthetic image (0: no difference; they compare rows of one table only, and FID is larger for fewer images), precision how many of them lie among the photos, recall how many photos lie among them.":
    "FID und KID geben an, wie weit die Bilder nach den Merkmalen eines Encoders, der kein synthetisches Bild gesehen hat, von bekannten Validierungsfotos entfernt sind (0: kein Unterschied; vergleichbar nur innerhalb einer Tabelle, und FID ist bei weniger Bildern größer), Precision, wie viele von ihnen unter den Fotos liegen, Recall, wie viele Fotos unter ihnen liegen.",
  "Nearness of redraws": "Nähe der Nachzeichnungen",
  Recipe: "Rezept",
  Strength: "Stärke",
  Images: "Bilder",
  "Look known": "Sehen bekannt aus",

  // sections/sifted.ts
  "Each image is judged by an encoder that has seen real photos alone, and no photo of the object that it was made from. Its distance to a class is a mean over several layers and three measures (nearest photo, class mean, Mahalanobis), in units of the distance at which real photos of unseen objects end: up to 1 it looks known. What lies beyond, but not too far, and is not surely its own class to the classifier, is near-OOD. What is turned away is drawn again with another seed.":
    "Jedes Bild wird von einem Encoder beurteilt, der nur echte Fotos gesehen hat, und keines des Objekts, aus dem es entstand. Sein Abstand zu einer Klasse ist ein Mittel über mehrere Schichten und drei Maße (nächstes Foto, Klassenmittel, Mahalanobis), in Einheiten des Abstands, an dem echte Fotos ungesehener Objekte enden: Bis 1 sieht es bekannt aus. Was darüber, aber nicht zu weit entfernt liegt und für den Klassifikator nicht sicher zur eigenen Klasse gehört, ist Near-OOD. Abgelehntes wird mit einem anderen Seed neu gezeichnet.",
  "Each image is judged by an encoder that has seen real photos alone. Its distance to a class is a mean over several layers and measures, in units of the distance at which real photos of unseen objects end: up to 1 it looks known. What lies beyond, but not too far, and is not surely its own class to the classifier, is near-OOD. What is turned away is drawn again with another seed.":
    "Jedes Bild wird von einem Encoder beurteilt, der nur echte Fotos gesehen hat. Sein Abstand zu einer Klasse ist ein Mittel über mehrere Schichten und Maße, in Einheiten des Abstands, an dem echte Fotos ungesehener Objekte enden: Bis 1 sieht es bekannt aus. Was darüber, aber nicht zu weit entfernt liegt und für den Klassifikator nicht sicher zur eigenen Klasse gehört, ist Near-OOD. Abgelehntes wird mit einem anderen Seed neu gezeichnet.",
  "; of the near validation unknowns {0} % lie inside some class and {1} % in the band":
    "; von den nahen Validierungsunbekannten liegen {0} % innerhalb einer Klasse und {1} % im Band",
  "Near-OOD is from 1 to {0}, mean over {1}. Of the known validation photos {2} % lie inside their class{3}.":
    "Near-OOD reicht von 1 bis {0} (Mittel über {1}). Von den bekannten Validierungsfotos liegen {2} % innerhalb ihrer Klasse{3}.",
  "Yields of the sift": "Ausbeute der Sichtung",
  Wanted: "Gewünscht",
  Drawn: "Gezeichnet",
  Accepted: "Angenommen",

  "Strengths: lowest, median and highest over classes. Roles: of the images of the first attempt.":
    "Stärken: kleinste, mittlere und größte über die Klassen. Rollen: der Bilder des ersten Versuchs.",

  // sections/audit.ts
  "Round trips told, %": "Durchläufe erkannt, %",
  "Moved by": "Verschoben um",
  "Look less known, %": "Weniger bekannt, %",
  "Accuracy, points": "Genauigkeit, Punkte",
  "{0} told, %": "Erkannt, %: {0}",
  "Where all negatives are synthetic and all positives real, an encoder may learn to tell synthetic from real, which helps nobody. A linear probe on each arm's frozen features tries to tell photos of objects it was not fitted on from images that were made: 50 is chance, 100 is certain. Round trips are known validation photos through the autoencoder and back: an encoder that sees the object alone does not move them. Compare an arm with the one of real photos alone: a gain together with a probe far above it may be a shortcut. Mean over {0}.":
    "Wo alle Negative synthetisch und alle Positive echt sind, kann ein Encoder lernen, Synthetisches von Echtem zu unterscheiden, was niemandem nützt. Ein linearer Klassifikator auf den eingefrorenen Merkmalen jedes Arms versucht, Fotos von Objekten, auf denen er nicht angepasst wurde, von erzeugten Bildern zu unterscheiden: 50 ist Zufall, 100 sicher. Durchläufe sind bekannte Validierungsfotos nach einem Durchlauf durch den Autoencoder: Ein Encoder, der nur das Objekt sieht, verschiebt sie nicht. Zu vergleichen ist ein Arm mit dem, der nur echte Fotos hat: Ein Gewinn zusammen mit einem weit besseren linearen Klassifikator kann eine Abkürzung sein. Mittel über {0}.",
  "Shortcut audit": "Prüfung auf Abkürzungen",
  "Gain: accuracy": "Gewinn: Genauigkeit",
  "Gain: near AUROC": "Gewinn: AUROC nah",
  "Moved by: length of the move as a share of a photo's distance to its class's mean. Look less known: AUROC of photos against their own round trips by the Mahalanobis distance; 50 = no difference. Accuracy: of the nearest class mean on the round trips minus on the photos. Gain: on test photos over the arm of the same objective that has real photos alone.":
    "Verschoben um: Länge der Verschiebung als Anteil am Abstand eines Fotos zum Mittel seiner Klasse. Weniger bekannt: AUROC der Fotos gegen ihre eigenen Durchläufe nach der Mahalanobis-Distanz; 50 = kein Unterschied. Genauigkeit: die des nächsten Klassenmittels auf den Durchläufen minus die auf den Fotos. Gewinn: auf Testfotos gegenüber dem Arm mit demselben Ziel, der nur echte Fotos hat.",

  // sections/recipes.ts
  "AUROC of known test photos against near-OOD images by {0}, in %: 50 is chance. The images were made of validation photos, and nothing learned from them; a recipe is seen where the arm learned from others that were made in the same way of its training photos. An arm that tells seen recipes far better than others, and real unknowns no better than an arm without, has learned how images are made. Only the real unknowns decide anything. Mean over {1}.":
    "AUROC bekannter Testfotos gegen Near-OOD-Bilder nach {0}, in %: 50 ist Zufall. Die Bilder wurden aus Validierungsfotos gemacht, und nichts hat von ihnen gelernt; gesehen ist ein Rezept, wenn der Arm von anderen Bildern gelernt hat, die ebenso aus seinen Trainingsfotos gemacht wurden. Ein Arm, der gesehene Rezepte weit besser erkennt als andere und echte Unbekannte nicht besser als ein Arm ohne solche Bilder, hat gelernt, wie Bilder gemacht werden. Es entscheiden allein die echten Unbekannten. Mittel über {1}.",
  "Seen and unseen recipes": "Gesehene und andere Rezepte",
  "Seen recipes": "Gesehene Rezepte",
  "Other recipes": "Andere Rezepte",
  "Real near": "Echte nahe",
  "Real far": "Echte ferne",
  "Every recipe": "Jedes Rezept",
  Seen: "Gesehen",

  // sections/detectors.ts
  "AUROC in % on test photos, mean over {0}: 50 is chance, 100 perfect. {1} is the one that the answer is about; bold is the best of an arm. A click on a heading sorts.":
    "AUROC in % auf Testfotos, Mittel über {0}: 50 ist Zufall, 100 fehlerfrei. Die Antwort beruht auf {1}; fett ist das Beste eines Arms. Ein Klick auf eine Überschrift sortiert.",
  "{0} by detector": "{0} nach Detektor",
  Detector: "Detektor",
  chosen: "gewählt",
  "With the threshold set for use": "Mit der Schwelle für den Einsatz",
  "{0} with the threshold that keeps {1} % of the known validation photos, on the test; {2} % intervals over the objects of both.":
    "{0} mit der Schwelle, die {1} % der bekannten Validierungsfotos behält, auf dem Test; {2}-%-Konfidenzintervalle über die Objekte beider.",
  "Operating points": "Arbeitspunkte",
  "{0} to {1}": "{0} bis {1}",
  "Known kept over {0} unknowns let through (ROC), {1}":
    "Behaltene Bekannte über durchgelassenen Unbekannten ({0}, ROC), {1}",
  "Wrong names over answers given, the surest first (risk over coverage)":
    "Falsche Benennungen über gegebenen Antworten, die sichersten zuerst (Risiko über Abdeckung)",
  "By object: three ways to read its views": "Je Objekt: drei Arten, seine Ansichten zu lesen",
  "AUROC in %, mean over arms and seeds.": "AUROC in %, Mittel über Arme und Seeds.",
  Objects: "Objekte",
  "What was tried for each detector": "Was für jeden Detektor versucht wurde",
  "{0} A candidate is chosen anew in every arm at every seed.":
    "{0} In jedem Arm wird bei jedem Seed neu gewählt.",
  Candidates: "Kandidaten",
  Candidate: "Kandidat",
  "AUROC %": "AUROC in %",

  // sections/choices.ts
  What: "Was",
  Among: "Aus",
  Chosen: "Gewählt",
  By: "Nach",
  Choices: "Entscheidungen",
  "Test photos chose nothing. What study.yaml gives as one value was its author's choice and is not listed.":
    "Nach Testfotos wurde nichts gewählt. Was study.yaml als einen Wert vorgibt, hat deren Verfasser entschieden und steht hier nicht.",
  "anew in every arm at every seed": "in jedem Arm bei jedem Seed neu",
  "validation unknowns, whose classes are not among the test's":
    "Validierungs-Unbekannte, deren Klassen nicht im Test sind",
  "images that stand in for unknowns, made of validation photos and redraws":
    "Bilder, die für Unbekannte einstehen, gemacht aus Validierungsfotos und Neuzeichnungen",
  "nothing: it is the first one named": "nichts: Es ist der zuerst genannte",
  "Detector of the answer": "Detektor der Antwort",
  "Settings of {0}": "Einstellungen: {0}",
  "{0}, listed with the detectors": "{0}, aufgeführt bei den Detektoren",
  "Temperature of the softmax": "Temperatur des Softmax",
  "every number above 0": "jede Zahl über 0",
  "negative log-likelihood of the known validation photos":
    "negative Log-Likelihood der bekannten Validierungsfotos",
  "Penalty of the linear classifier (L2)": "Strafgewicht des linearen Klassifikators (L2)",
  "accuracy on the known validation photos, of equal ones their negative log-likelihood":
    "Genauigkeit auf den bekannten Validierungsfotos, bei Gleichstand deren negative Log-Likelihood",
  "Weights of {0}": "Gewichte: {0}",
  "{0} during the training": "{0} während des Trainings",
  "after {0} steps": "nach {0} Schritten",
  "loss or accuracy on the known validation photos":
    "Verlust oder Genauigkeit auf den bekannten Validierungsfotos",
  "Words of {0}": "Wörter: {0}",
  "loss of the denoiser on validation photos": "Verlust des Entrauschers auf Validierungsfotos",
  "Where near-OOD ends: {0}": "Wo Near-OOD endet: {0}",
  "every distance beyond where known ends (1)": "jeder Abstand jenseits des Endes von bekannt (1)",
  "{0}, mean over seeds": "{0}, Mittel über Seeds",
  "validation unknowns, unless study.yaml gives a number":
    "Validierungs-Unbekannte, wenn study.yaml keine Zahl vorgibt",
  "Threshold for use": "Schwelle für den Einsatz",
  "every score": "jeder Wert",
  "the highest that keeps {0} %, {1}": "die höchste, die {0} % behält, {1}",
  "known validation photos": "bekannte Validierungsfotos",
  "Arm for use": "Arm für den Einsatz",

  // sections/scores.ts, charts
  "Scores of {0} on the test photos of all seeds; further right = more known. The less the colours overlap, the better; the outermost bars hold all that lies beyond.":
    "Werte von {0} auf den Testfotos aller Seeds; weiter rechts = bekannter. Je weniger sich die Farben überlappen, desto besser; die äußersten Balken enthalten alles, was jenseits liegt.",
  known: "bekannt",
  unknown: "unbekannt",
  "near unknowns": "nahe Unbekannte",
  "far unknowns": "ferne Unbekannte",
  answer: "Antwort",
  "true class": "wahre Klasse",

  // sections/map.ts
  "Each dot is an image at seed {0}. {1}": "Jeder Punkt ist ein Bild bei Seed {0}. {1}",
  "In the plane in which the features of the known photos differ most (principal components). Distances in the plane are less than the true ones: what lies together here may lie apart, what lies apart does.":
    "In der Ebene, in der sich die Merkmale der bekannten Fotos am stärksten unterscheiden (Hauptkomponenten). Abstände in der Ebene sind kleiner als die wahren: Was hier beieinander liegt, kann getrennt sein; was getrennt liegt, ist es.",
  "By UMAP, with {0} neighbours: it lays images that are neighbours by their features beside each other, so dots in one heap are alike to the encoder. Nothing else is evidence: gaps, distances between heaps, their sizes and shapes follow from the algorithm, and the axes mean nothing. Whether unknowns can be told is said by the detectors' figures alone.":
    "Nach UMAP, mit {0} Nachbarn: Bilder, deren Merkmale benachbart sind, kommen nebeneinander zu liegen; Punkte eines Haufens sind einander für den Encoder also ähnlich. Sonst ist nichts ein Beleg: Lücken, Abstände zwischen Haufen, deren Größen und Formen folgen aus dem Verfahren, und die Achsen bedeuten nichts. Ob Unbekannte erkannt werden, sagen allein die Zahlen der Detektoren.",

  // sections/mistakes.ts
  Confusion: "Verwechslungen",
  "The worst mistakes of {0}": "Die schwersten Fehler von {0}",
  "Rows: the true class; columns: the answer; numbers: test photos of all seeds.":
    "Zeilen: wahre Klasse; Spalten: Antwort; Zahlen: Testfotos aller Seeds.",
  "The {0} of {1} that are taken for each other most, those that are confused side by side. Rows: the true class; columns: the answer; numbers: test photos of all seeds, darkness their share of the row. report.json has the whole matrix.":
    "Die am häufigsten verwechselten Klassen ({0} von {1}), verwechselte nebeneinander. Zeilen: wahre Klasse; Spalten: Antwort; Zahlen: Testfotos aller Seeds, Dunkelheit ihr Anteil an der Zeile. report.json enthält die ganze Matrix.",
  "{0} named every test photo rightly.": "{0} hat jedes Testfoto richtig benannt.",
  "What {0} takes for something else most often, over the test photos of all seeds.":
    "Was {0} am häufigsten für etwas anderes hält, über die Testfotos aller Seeds.",
  "Most confused classes": "Am häufigsten verwechselte Klassen",
  "True class": "Wahre Klasse",
  Share: "Anteil",
  is: "ist",
  called: "benannt als",
  "score above {0} % of known": "Wert über {0} % der Bekannten",

  // sections/augmentation.ts
  "Every row starts with a training photo; to its right are {0} of it, as <code>encoder.augment</code> makes them anew at every step, for all arms alike. Details that tell the classes apart must survive it.":
    "Jede Zeile beginnt mit einem Trainingsfoto; rechts davon {0}, wie <code>encoder.augment</code> sie in jedem Schritt neu erzeugt, für alle Arme gleich. Einzelheiten, die die Klassen unterscheiden, müssen erhalten bleiben.",
  "{0} with random versions of each": "{0} mit zufälligen Fassungen",

  // sections/curves.ts
  Words: "Wörter",
  "Loss of the denoiser under the words of the classes: dashed lines are training photos, each point of the noise that was drawn since the last, whole ones validation photos under the same noise every time, a pair per seed. Where validation no longer falls, more steps learn the photos, not the class. {0}":
    "Verlust des Entrauschers unter den Wörtern der Klassen: gestrichelt Trainingsfotos, jeder Punkt unter dem seit dem letzten gezogenen Rauschen, durchgezogen Validierungsfotos unter immer demselben Rauschen, ein Paar je Seed. Wo die Validierung nicht mehr fällt, lernen weitere Schritte die Fotos, nicht die Klasse. {0}",
  "Loss of each encoder, a line per seed. The losses of different arms are different functions: compare their course, not their height.":
    "Verlust jedes Encoders, eine Linie je Seed. Die Verluste verschiedener Arme sind verschiedene Funktionen: Zu vergleichen ist ihr Verlauf, nicht ihre Höhe.",
  "On training and validation photos": "Auf Trainings- und Validierungsfotos",
  "The same encoders between steps, without redraws and negatives: dashed lines are training photos, whole ones validation photos, a pair per seed. Where validation turns away from training, the encoder learns the photos instead of the classes. Accuracy is that of the nearest class mean. {0}":
    "Dieselben Encoder zwischen den Schritten, ohne Nachzeichnungen und Negative: gestrichelt Trainingsfotos, durchgezogen Validierungsfotos, ein Paar je Seed. Wo sich die Validierung vom Training entfernt, lernt der Encoder die Fotos statt der Klassen. Genauigkeit ist die des nächsten Klassenmittels. {0}",

  // sections/methods.ts, sections/run.ts
  BibTeX: "BibTeX",
  Machine: "Rechner",
  Photos: "Fotos",
  "At each seed: {0}.": "Bei jedem Seed: {0}.",
  "{0} left out": "{0} ausgelassen",
  "and {0} more; penumbra check names all.": "und {0} weitere; penumbra check nennt alle.",
  "Time of each stage": "Zeit je Stufe",
  "Kept stages lay complete in the run folder from an earlier start; their time is that of then.":
    "Übernommene Stufen lagen von einem früheren Start vollständig im Ordner des Laufs; ihre Zeit ist die von damals.",
  Configuration: "Konfiguration",

  // compare-page.ts
  "{0}: Penumbra studies": "{0}: Penumbra-Studien",
  "{0} side by side": "{0} im Vergleich",
  Settings: "Einstellungen",
  "The arms": "Die Arme",
  "Means over seeds on test photos; objects are those of each class that were learned from. Figures of different studies are not paired: other photos, splits or trainings stand behind them, so only differences within a study (below) carry intervals. A click on a heading sorts.":
    "Mittelwerte über Seeds auf Testfotos; Objekte sind die jeder Klasse, aus denen gelernt wurde. Zahlen verschiedener Studien sind nicht gepaart: Ihnen liegen andere Fotos, Aufteilungen oder Trainings zugrunde, daher tragen nur Unterschiede innerhalb einer Studie (unten) Konfidenzintervalle. Ein Klick auf eine Überschrift sortiert.",
  "What each study says to the hypotheses": "Was jede Studie zu den Hypothesen sagt",
  "Differences in points with intervals over seeds and test objects; verdicts by p-values that each study corrects for the number of its own hypotheses (Holm), not for the number of studies.":
    "Unterschiede in Prozentpunkten mit Konfidenzintervallen über Seeds und Testobjekte; Urteile nach p-Werten, die jede Studie für die Anzahl ihrer eigenen Hypothesen korrigiert (Holm), nicht für die Anzahl der Studien.",
  "In what they differ": "Worin sie sich unterscheiden",
  "Lines of each configuration that not all of them have.":
    "Zeilen jeder Konfiguration, die nicht in allen stehen.",
  "The same numbers as data: results.jsonl and report.json in each run folder.":
    "Dieselben Zahlen als Daten: results.jsonl und report.json im Ordner jedes Laufs.",
  "Arms of all studies": "Arme aller Studien",
  Study: "Studie",
  Seeds: "Seeds",
  "None of these studies has the arms that test one.":
    "Keine dieser Studien hat die Arme, mit denen sich eine prüfen lässt.",
  "Hypotheses of all studies": "Hypothesen aller Studien",

  // check-page.ts, evaluation-page.ts and explanation-page.ts
  "({0} to {1})": "({0} bis {1})",
  "<b>all</b>": "<b>alle</b>",
  "<b>{0}</b> {1} %, p {2}; then {3}": "<b>{0}</b> {1} %, p {2}; dann {3}",
  "<em>unknown</em>, p {0}; resembles {1} {2} %": "<em>unbekannt</em>, p {0}; ähnelt {1} {2} %",
  "By photo.": "Je Foto.",
  Class: "Klasse",
  Classes: "Klassen",
  class: "Klasse",
  objects: "Objekte",
  photos: "Fotos",
  role: "Rolle",
  views: "Ansichten",
  "share of the largest": "Anteil an der größten",
  "Classifier “{0}” on {1}": "Klassifikator „{0}“ an {1}",
  "Could not be read": "Nicht lesbar",
  Curves: "Kurven",
  Figures: "Zahlen",
  "In brackets 95 % intervals (Wilson). A false alarm is a known one that is called unknown: the classifier is set to {0} %. ECE: the gap between confidence and accuracy; AURC: area under the curve of wrong names over answers given.":
    "In Klammern 95-%-Konfidenzintervalle (Wilson). Ein Fehlalarm ist etwas Bekanntes, das unbekannt genannt wird: Der Klassifikator ist auf {0} % eingestellt. ECE: Abstand zwischen Konfidenz und Genauigkeit; AURC: Fläche unter der Kurve falscher Namen über gegebene Antworten.",
  "Known classes": "Bekannte Klassen",
  "Known kept over {0} unknowns let through (ROC)":
    "Behaltene Bekannte über durchgelassene Unbekannte, {0} (ROC)",
  "Left out": "Ausgelassen",
  "Made by Penumbra {0}, {1}. The same as data: penumbra evaluate … --json.":
    "Erstellt mit Penumbra {0}, {1}. Dasselbe als Daten: penumbra evaluate … --json.",
  "Made by penumbra check. The same as data: penumbra check {0} --json.":
    "Erstellt mit penumbra check. Dasselbe als Daten: penumbra check {0} --json.",
  Mistakes: "Fehler",
  "Of each photo {0} × {1} places were hidden in turn (occlusion). Of a known object <b>orange</b> places speak for its class: without them it would be less sure; <i>blue</i> ones speak against it. Of an unknown one orange places are what makes it look unknown. Beside it the photos it learned from that are most similar (cosine of the features).":
    "Von jedem Foto wurden nacheinander {0} × {1} Stellen verdeckt (Okklusion). Bei einem bekannten Objekt sprechen <b>orange</b> Stellen für seine Klasse: Ohne sie wäre die Antwort weniger sicher; <i>blaue</i> sprechen dagegen. Bei einem unbekannten sind orange Stellen das, was es unbekannt aussehen lässt. Daneben die ähnlichsten Fotos, aus denen gelernt wurde (Kosinus der Merkmale).",
  "Of the photos {0}: the figures flatter it.": "Von den Fotos {0}: Die Zahlen schmeicheln.",
  "Photos of {0}": "Fotos aus {0}",
  "Rows: the true class; columns: the answer, “?” being unknown; numbers: photos.":
    "Zeilen: die wahre Klasse; Spalten: die Antwort, „?“ heißt unbekannt; Zahlen: Fotos.",
  "Every photo that is not called unknown is named rightly.":
    "Jedes Foto, das nicht unbekannt genannt wird, ist richtig benannt.",
  "Sizes in pixels: {0}{1}": "Größen in Pixeln: {0}{1}",
  "The worst mistakes": "Die schlimmsten Fehler",
  "These photos are used.": "Diese Fotos werden verwendet.",
  "To look at": "Anzusehen",
  Unknowns: "Unbekannte",
  "What “{0}” looked at": "Worauf „{0}“ geachtet hat",
  "Where it goes wrong": "Wo es schiefgeht",
  "and {0} more; penumbra check --json names all": "und {0} weitere; penumbra check --json nennt alle",
  "and {0} more": "und {0} weitere",
  "what mattered in {0}": "worauf es ankam in {0}",
  "{0}, {1} used; {2} left out, {3} to look at": "{0}, {1} verwendet; ausgelassen: {2}; anzusehen: {3}",
  "{0}, {1}{2}; unknown at p ≤ {3} by {4}": "{0}, {1}{2}; unbekannt bei p ≤ {3} nach {4}",
  "{0}: evaluated": "{0}: geprüft",
  "{0}: explained": "{0}: erklärt",
  "{0}: photos checked": "{0}: Fotos geprüft",
};
