import type { SettingValues } from './settings.ts';

/** Where metrics are served. */
export interface MetricsConfig {
  /** Whether they are counted and served at all. */
  readonly isOn: boolean;
  /** The port of its own that they are served at. Undefined: the port of the server. */
  readonly port: number | undefined;
  /** The address to listen on at that port. */
  readonly host: string;
  /** The token that requests must send; undefined if none is needed. */
  readonly token: string | undefined;
}

/** @param problems receives an entry if metrics would be public */
export function metricsConfig(values: SettingValues, problems: string[]): MetricsConfig {
  const { METRICS, METRICS_PORT: port, METRICS_HOST: host, METRICS_TOKEN: token } = values;
  const isClosed = port !== undefined || token !== undefined;
  const isOpenByDefault = values.NODE_ENV !== 'production';
  if (METRICS && !isClosed && !isOpenByDefault) {
    problems.push('METRICS_PORT or METRICS_TOKEN must be set when METRICS is on and NODE_ENV is production');
  }
  return { isOn: METRICS ?? (isClosed || isOpenByDefault), port, host, token };
}
