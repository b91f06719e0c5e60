/** Writes a number of bytes for people, such as `61.2 MB`. */
export function sizeText(bytes: number): string {
  const rounded = Math.round(bytes);
  if (rounded < 1_000) return rounded === 1 ? '1 byte' : `${rounded} bytes`;
  const power = Math.min(4, Math.floor(Math.log10(rounded) / 3));
  return `${(rounded / 1_000 ** power).toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** Writes a duration in milliseconds for people, such as `250 ms`, `4.2 s`, `3 min` and `2.5 h`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${(minutes / 60).toFixed(1)} h` : `${Math.round(minutes / 1_440)} days`;
}

/** Writes a number with its thousands apart, such as `600,035`. */
export function countText(count: number): string {
  return count.toLocaleString('en');
}

/** Writes a number with what it counts, such as `1 row` and `600,035 rows`. */
export function counted(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Writes an estimate with two digits, so that nobody takes it for exact: `about 620,000`. */
export function estimateText(count: number): string {
  return `about ${countText(Number(count.toPrecision(2)))}`;
}
