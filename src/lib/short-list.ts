/** Lists at most `max` texts for a message, and says how many more there are. */
export function shortList(texts: readonly string[], max: number): string {
  const shown = texts.slice(0, max).join(', ');
  return texts.length > max ? `${shown} and ${texts.length - max} more` : shown;
}
