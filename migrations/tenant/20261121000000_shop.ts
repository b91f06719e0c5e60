import { Migration } from '@mikro-orm/migrations';

export default class Shop extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE products (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        sku text NOT NULL CONSTRAINT products_sku_key UNIQUE,
        name text NOT NULL,
        price numeric(14, 4) NOT NULL CONSTRAINT products_price_check CHECK (price >= 0),
        currency text NOT NULL CONSTRAINT products_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
        stock integer NOT NULL CONSTRAINT products_stock_check CHECK (stock >= 0),
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql('CREATE INDEX products_created_at_idx ON products (created_at, id)');
    this.addSql(`
      CREATE TABLE orders (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        placed_at timestamptz(3) NOT NULL DEFAULT now(),
        total numeric(24, 4) NOT NULL CONSTRAINT orders_total_check CHECK (total >= 0),
        currency text NOT NULL CONSTRAINT orders_currency_check CHECK (currency ~ '^[A-Z]{3}$')
      )`);
    this.addSql('CREATE INDEX orders_placed_at_idx ON orders (placed_at, id)');
    this.addSql(`
      CREATE TABLE order_lines (
        order_id uuid NOT NULL CONSTRAINT order_lines_order_id_fkey REFERENCES orders (id) ON DELETE CASCADE,
        position integer NOT NULL,
        product_id uuid NOT NULL CONSTRAINT order_lines_product_id_fkey REFERENCES products (id),
        quantity integer NOT NULL CONSTRAINT order_lines_quantity_check CHECK (quantity > 0),
        unit_price numeric(14, 4) NOT NULL CONSTRAINT order_lines_unit_price_check CHECK (unit_price >= 0),
        PRIMARY KEY (order_id, position)
      )`);
    this.addSql('CREATE INDEX order_lines_product_id_idx ON order_lines (product_id)');
  }

  override down(): void {
    for (const table of ['order_lines', 'orders', 'products']) this.addSql(`DROP TABLE ${table}`);
  }
}
