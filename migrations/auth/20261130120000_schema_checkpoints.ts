import { Migration } from '@mikro-orm/migrations';

/** Checkpoints of tenants with a schema, which are built while the tenant is served. */
export default class SchemaCheckpoints extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE checkpoints ADD COLUMN building_by integer');
    this.addSql(`COMMENT ON COLUMN checkpoints.building_by IS
      'The process that is copying the tenant into the database, alive as long as it holds its advisory lock. It cannot be restored yet'`);
    this.createRestoreTrigger();
  }

  /** A checkpoint may be restored by a transfer, which is told to webhooks as well. */
  private createRestoreTrigger(): void {
    this.addSql(`
      CREATE FUNCTION emit_transfer_restore_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM emit_webhook_event('checkpoint.restored', json_build_object('tenant', webhook_tenant(t),
          'checkpoint', (SELECT json_build_object('id', c.id, 'name', c.name) FROM checkpoints c WHERE c.id = new.checkpoint_id)))
        FROM tenants t WHERE t.id = new.tenant_id;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenant_transfers_restored AFTER UPDATE OF status ON tenant_transfers
        FOR EACH ROW WHEN (new.kind = 'RESTORE' AND new.status = 'SUCCEEDED' AND old.status <> 'SUCCEEDED')
        EXECUTE FUNCTION emit_transfer_restore_event()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenant_transfers_restored ON tenant_transfers');
    this.addSql('DROP FUNCTION emit_transfer_restore_event()');
    this.addSql('UPDATE checkpoints SET is_dropping = true WHERE building_by IS NOT NULL');
    this.addSql('ALTER TABLE checkpoints DROP COLUMN building_by');
  }
}
