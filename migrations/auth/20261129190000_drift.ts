import { Migration } from '@mikro-orm/migrations';

/** What checks of the fleet have found: tenants whose tables differ from the entities. */
export default class Drift extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE tenant_drifts (
        tenant_id uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
        checked_at timestamptz(3) NOT NULL DEFAULT now(),
        differences integer NOT NULL,
        statements text[] NOT NULL,
        error text
      )`);
    this.addSql(`COMMENT ON COLUMN tenant_drifts.statements IS
      'The first statements that would make the tables match the entities; differences counts all of them'`);
    this.addSql(`COMMENT ON COLUMN tenant_drifts.error IS
      'Why the last check could not compare the tables; the other columns are then those of the check before'`);
    this.addSql('CREATE INDEX tenant_drifts_found_idx ON tenant_drifts (tenant_id) WHERE differences > 0');
    this.addSql(`
      CREATE TABLE fleet_checks (
        name text PRIMARY KEY,
        begun_at timestamptz(3),
        ended_at timestamptz(3),
        claimed_by integer
      )`);
    this.addSql(`COMMENT ON TABLE fleet_checks IS
      'Timed work over all tenants. One that has begun and not ended is continued by another process if its process dies'`);
    this.addSql(`INSERT INTO fleet_checks (name) VALUES ('drift')`);
    this.addSql(`
      CREATE FUNCTION emit_drift_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF tg_op = 'INSERT' OR (old.differences, old.statements) IS DISTINCT FROM (new.differences, new.statements) THEN
          PERFORM emit_webhook_event('drift.found', json_build_object(
            'tenant', webhook_tenant(t),
            'drift', json_build_object('count', new.differences, 'statements', to_json(new.statements[1:20]))))
          FROM tenants t WHERE t.id = new.tenant_id;
        END IF;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenant_drifts_found AFTER INSERT OR UPDATE ON tenant_drifts
        FOR EACH ROW WHEN (new.differences > 0) EXECUTE FUNCTION emit_drift_event()`);
  }

  override down(): void {
    this.addSql('DROP TABLE fleet_checks');
    this.addSql('DROP TABLE tenant_drifts');
    this.addSql('DROP FUNCTION emit_drift_event()');
  }
}
