import { useEffect, useState } from '../vendor/hooks.js';

/** The least height that a picture uses before its cells become smaller, in CSS pixels. */
const LEAST_HEIGHT = 240;
/** What the page has above and below the picture, about, in CSS pixels. */
const OTHER_HEIGHT = 340;

/**
 * How much room a picture has, and the colour scheme, which its colours depend on.
 * @param {import('preact').RefObject<HTMLElement | null>} frame
 */
export function useCanvasSize(frame) {
  const [size, setSize] = useState({ width: 0, height: LEAST_HEIGHT, scheme: '' });
  useEffect(() => {
    if (!frame.current) return;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const measure = () => {
      const width = frame.current?.clientWidth ?? 0;
      const height = Math.max(LEAST_HEIGHT, innerHeight - OTHER_HEIGHT);
      setSize({ width, height, scheme: dark.matches ? 'dark' : 'light' });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(frame.current);
    dark.addEventListener('change', measure);
    measure();
    return () => {
      observer.disconnect();
      dark.removeEventListener('change', measure);
    };
  }, [frame]);
  return size;
}
