// bull-board's pages in a browser: what is on them, and what one does there.
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { join } from 'node:path';
import { PASSWORD } from './application';

/** A Chromium; none: nothing is looked at. */
export const BROWSER = process.env['BROWSER'] ?? '';
const SIZE = { width: 1280, height: 760 };

export class BoardPage {
	private constructor(private readonly browser: Browser, private readonly page: Page, private readonly url: string, private readonly pictures: string | undefined) {}

	/** `pictures`: the directory that screenshots go to; none: they are not wanted. */
	static async open(url: string, pictures: string | undefined): Promise<BoardPage> {
		const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox'] });
		const page = await browser.newPage({ viewport: SIZE, httpCredentials: { username: 'admin', password: PASSWORD } });
		return new BoardPage(browser, page, url, pictures);
	}

	close(): Promise<void> {
		return this.browser.close();
	}

	async go(path: string): Promise<void> {
		await this.page.goto(this.url + path);
	}

	/** Waits until the page shows these texts, each somewhere. */
	async shows(...texts: (string | RegExp)[]): Promise<void> {
		for (const text of texts)
			await this.page.getByText(text).filter({ visible: true }).first().waitFor();
	}

	/** Waits until a text is gone. */
	async forgets(text: string): Promise<void> {
		await this.page.getByText(text).first().waitFor({ state: 'detached' });
	}

	async press(name: string | RegExp, within: Locator | Page = this.page): Promise<void> {
		await within.getByRole('button', { name, exact: true }).filter({ visible: true }).first().click();
	}

	async tab(name: string): Promise<void> {
		await this.page.getByRole('tab', { name, exact: true }).first().click();
	}

	/** An action of the first job on the page. Its buttons are pictures: the tip says what each does. */
	async act(name: string): Promise<void> {
		const actions = this.page.locator('ul[class*=jobActions]').first();
		await actions.waitFor();
		for (const button of await actions.locator('button').all()) {
			await button.hover();
			const tip = this.page.locator('[data-open]', { hasText: name }).filter({ visible: true });
			if (await tip.first().waitFor({ timeout: 1500 }).then(() => true, () => false)) {
				await button.click();
				return;
			}
		}
		throw new Error(`no button says '${name}'`);
	}

	async confirm(): Promise<void> {
		await this.press('Confirm');
	}

	async picture(name: string): Promise<void> {
		if (!this.pictures)
			return;
		await this.page.mouse.move(0, 0);
		await this.page.screenshot({ path: join(this.pictures, `bull-board-${name}.png`), animations: 'disabled' });
	}
}
