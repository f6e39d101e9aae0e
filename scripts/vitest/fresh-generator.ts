// Runs before every file that shares its process: what is drawn without a seed is the same every time, whatever ran
// before. (A process of its own begins with another seed each time.)
import { manualSeed } from "@penumbra/torch";

manualSeed(0);
