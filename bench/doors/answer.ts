/** What every door says of a photo. */
export interface Answer {
  readonly className: string;
  readonly isUnknown: boolean;
  readonly confidence: number;
  readonly unknownScore: number;
}
