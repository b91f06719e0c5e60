import { describeSettings } from '../src/config/settings.ts';

process.stdout.write(describeSettings());
