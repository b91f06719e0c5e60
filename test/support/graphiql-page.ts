import type { Page } from 'playwright-core';
import { type OfflinePage, openOfflinePage } from './offline-page.ts';

/** GraphiQL in a browser, used by what a person sees of it. */
export interface GraphiqlPage extends AsyncDisposable {
  readonly page: Page;
  /** Addresses outside this machine that the page asked for; they were not reached. */
  readonly outside: readonly string[];
  /** What the page reported as errors. */
  readonly problems: readonly string[];
  /** Presses play and chooses an operation of the document. */
  run(operation: string): Promise<void>;
  /** Stops a subscription. */
  stop(): Promise<void>;
  /** Opens a tab, and waits until the page has stored that it is open; the first one is 0. */
  openTab(index: number): Promise<void>;
  /** Replaces a word of the document. */
  replaceWord(word: string, by: string): Promise<void>;
  /** Opens one of the two editors below the document. */
  open(tool: 'Variables' | 'Headers'): Promise<void>;
  /** Opens Variables, and replaces the text there. */
  setVariables(text: string): Promise<void>;
  /** The text of an editor, as far as it can be seen. */
  text(editor: keyof typeof editors): Promise<string>;
  /** Waits until the page has stored its tabs, which it does a moment after a change, with all these texts in them. */
  stored(...texts: string[]): Promise<void>;
}

const editors = {
  document: '.graphiql-query-editor',
  // Of Variables and Headers, the one that is open.
  tool: '.graphiql-editor-tool .graphiql-editor:not(.hidden)',
  response: '.graphiql-response',
} as const;

/** Opens an address in a browser without a head, for which there is no network but 127.0.0.1. */
export async function openGraphiql(executablePath: string, url: string): Promise<GraphiqlPage> {
  // Tall, since editors render only the lines that can be seen.
  const opened = await openOfflinePage(executablePath, { viewport: { width: 1280, height: 1600 } });
  try {
    return await openPage(opened, url);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

async function openPage(opened: OfflinePage, url: string): Promise<GraphiqlPage> {
  const { page, outside, problems } = opened;
  await page.goto(url);
  const lines = (editor: keyof typeof editors) => page.locator(`${editors[editor]} .view-lines`);
  await lines('document')
    .waitFor()
    .catch((cause: unknown) => {
      throw new Error(`GraphiQL did not appear: ${[...problems, ...outside].join('; ')}`, { cause });
    });

  const stored = async (...texts: string[]) => {
    const includesAll = '(texts) => texts.every((text) => localStorage.getItem("graphiql:tabState")?.includes(text))';
    await page.waitForFunction(`(${includesAll})(${JSON.stringify(texts)})`);
  };
  const open = (tool: string) => page.getByRole('button', { name: tool, exact: true }).click();
  return {
    page,
    outside,
    problems,
    async run(operation) {
      await page.getByRole('button', { name: 'Execute query' }).click();
      await page.getByRole('menuitem', { name: operation, exact: true }).click();
    },
    stop: () => page.getByRole('button', { name: 'Stop query' }).click(),
    async openTab(index) {
      // Not with the mouse, under which tabs move when they show how to close them.
      await page.getByRole('tab').nth(index).getByRole('button').first().press('Enter');
      // Each change is stored half a second later, so a page that is loaded again too soon can open the tab before this one.
      await stored(`"activeTabIndex":${index}`);
    },
    async replaceWord(word, by) {
      await lines('document').getByText(word, { exact: true }).dblclick();
      await page.keyboard.insertText(by);
    },
    open,
    async setVariables(text) {
      await open('Variables');
      await lines('tool').click();
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.insertText(text);
    },
    // Editors write blanks that do not break, so that they are not folded.
    text: async (editor) => (await lines(editor).innerText()).replaceAll('\u00a0', ' '),
    stored,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
