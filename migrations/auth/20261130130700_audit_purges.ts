import { Migration } from '@mikro-orm/migrations';

/** Finds removed tenants by their slugs without reading the whole audit log. */
export default class AuditPurges extends Migration {
  override up(): void {
    this.addSql(`CREATE INDEX audit_log_purges_idx ON audit_log (id) WHERE action = 'tenant.purge'`);
  }

  override down(): void {
    this.addSql('DROP INDEX audit_log_purges_idx');
  }
}
