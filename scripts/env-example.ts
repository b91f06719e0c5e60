import { describeSettings } from '../src/settings.ts';

process.stdout.write(describeSettings());
