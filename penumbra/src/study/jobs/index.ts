/** Independent stages of a study side by side, in processes of their own, with the bits that one process makes. */

export * from "./run-jobs.ts";
export { type StudyTask, studyTasks } from "./tasks.ts";
