import type { Command } from 'commander';
import { addDownCommand, addUpCommand } from './migrate-up.ts';
import type { CommandContext } from './terminal.ts';

/** `tenantry migrate …`: everything about migrations. */
export function addMigrateCommand(program: Command, context: CommandContext): void {
  const migrate = program.command('migrate').description('Plan, apply, watch and take back migrations');
  addUpCommand(migrate, context);
  addDownCommand(migrate, context);
}
