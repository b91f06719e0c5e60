import { Migration } from '@mikro-orm/migrations';

/** How much each tenant has, measured from time to time, and when it was last used. */
export default class TenantUsages extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE tenant_usages (
        tenant_id uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
        tried_at timestamptz(3),
        measured_at timestamptz(3),
        bytes double precision,
        rows double precision,
        files integer,
        last_request_at timestamptz(3)
      )`);
    this.addSql(`COMMENT ON COLUMN tenant_usages.tried_at IS 'When a process last began to measure it'`);
    this.addSql(`COMMENT ON COLUMN tenant_usages.rows IS 'PostgreSQL''s estimate'`);
    this.addSql(`COMMENT ON COLUMN tenant_usages.last_request_at IS 'Processes write it once a minute'`);
  }

  override down(): void {
    this.addSql('DROP TABLE tenant_usages');
  }
}
