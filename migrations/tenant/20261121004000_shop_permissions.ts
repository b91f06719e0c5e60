import { Migration } from '@mikro-orm/migrations';

/** What the shop's mutations need, and which roles have it at first. */
export default class ShopPermissions extends Migration {
  override up(): void {
    this.addSql(`
      INSERT INTO permissions (name, description) VALUES
        ('products:write', 'Add products'),
        ('orders:write', 'Place orders')`);
    this.addSql(`
      INSERT INTO role_permissions (role_id, permission_name)
      SELECT id, permission FROM roles JOIN (VALUES
        ('admin', 'products:write'),
        ('admin', 'orders:write'),
        ('member', 'orders:write')) AS grants (role, permission) ON role = name`);
  }

  override down(): void {
    // With them go the roles' rights to them.
    this.addSql(`DELETE FROM permissions WHERE name IN ('products:write', 'orders:write')`);
  }
}
