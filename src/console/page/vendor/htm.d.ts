import type { h, VNode } from 'preact';

// htm's own types are those of a CommonJS module, and browsers get its ES module.
declare const htm: {
  bind(create: typeof h): (strings: TemplateStringsArray, ...values: unknown[]) => VNode | VNode[];
};
export default htm;
