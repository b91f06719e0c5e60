import type { Frame } from './record.ts';
import type { Line, Span } from './screen.ts';

const CHAR = 8.4;
const LINE = 20;
const MARGIN = 16;
const WIDTH = 880;
/** How long the last frame stays before the animation starts again, in milliseconds. */
const LAST_MS = 5_000;
const colours: Readonly<Record<number, string>> = {
  31: '#ff7b72',
  32: '#7ee787',
  33: '#e3b341',
  34: '#79c0ff',
  35: '#d2a8ff',
  36: '#56d4dd',
  90: '#8b949e',
};

/** Draws a recording as an animated SVG. Viewers without animation show the last frame. */
export function toSvg(recording: readonly Frame[], title: string): string {
  const frames = withoutRepetitions(recording);
  const rows = Math.max(...frames.map(({ lines }) => lines.length));
  const height = rows * LINE + 2 * MARGIN;
  const total = (frames.at(-1)?.at ?? 0) + LAST_MS;
  const percent = (ms: number) => `${((100 * ms) / total).toFixed(2)}%`;
  const styles: string[] = [];
  const groups: string[] = [];
  for (const [index, { at, lines }] of frames.entries()) {
    const next = frames[index + 1]?.at;
    const hidden = next === undefined ? '' : `${percent(next)},100%{visibility:hidden}`;
    styles.push(`@keyframes f${index}{0%{visibility:hidden}${percent(at)}{visibility:visible}${hidden}}`);
    styles.push(`.f${index}{animation:f${index} ${Math.round(total)}ms step-end infinite}`);
    const isLast = next === undefined;
    groups.push(
      `<g class="f f${index}"${isLast ? ' style="visibility:visible"' : ''}>${lines.map(textOf).join('')}</g>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<title>${escapeXml(title)}</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6edf3;white-space:pre}.f{visibility:hidden}
${styles.join('\n')}
@media (prefers-reduced-motion:reduce){.f.f{animation:none}}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${groups.join('\n')}
</svg>
`;
}

function withoutRepetitions(frames: readonly Frame[]): Frame[] {
  const shown = frames.map((frame) => JSON.stringify(frame.lines));
  return frames.filter((_, index) => shown[index] !== shown[index - 1]);
}

function textOf(line: Line, row: number): string {
  if (line.every(({ text }) => text.trim() === '')) return '';
  const y = MARGIN + row * LINE + 14;
  let column = 0;
  const spans = line.map((span) => {
    const x = (MARGIN + column * CHAR).toFixed(1);
    column += span.text.length;
    return `<tspan x="${x}"${styleOf(span)} textLength="${(span.text.length * CHAR).toFixed(1)}">${escapeXml(span.text)}</tspan>`;
  });
  return `<text y="${y}" xml:space="preserve">${spans.join('')}</text>`;
}

function styleOf({ colour, isBold }: Span): string {
  const fill = colour === undefined ? undefined : colours[colour];
  return `${fill ? ` fill="${fill}"` : ''}${isBold ? ' font-weight="bold"' : ''}`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
