import { Migration } from '@mikro-orm/migrations';

export default class RunFiles extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_runs ADD COLUMN files jsonb');
    this.addSql(`COMMENT ON COLUMN migration_runs.files IS
      'The tenant migrations that the run was planned with, {name, hash} each: processes that have others leave it alone'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE migration_runs DROP COLUMN files');
  }
}
