import { Migration } from '@mikro-orm/migrations';

/**
 * The audit log refuses changes also where `session_replication_role` is `replica`, with which whoever may set it has other
 * triggers left out.
 */
export default class AuditAlways extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only');
  }

  override down(): void {
    this.addSql('ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only');
  }
}
