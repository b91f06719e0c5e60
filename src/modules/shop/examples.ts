/** The examples of GraphiQL. */
export const examples = `# 1. Create a product.
mutation CreateProduct {
  createProduct(input: {
    sku: "tea"
    name: "Tea"
    price: "4.50"
    currency: "EUR"
    stock: 10
  }) {
    id
  }
}

# 2. Find products.
query Products {
  products(
    first: 10
    filter: { name: { contains: "te" } }
    orderBy: [{ price: DESC }]
  ) {
    totalCount
    nodes { id sku name price currency stock }
    pageInfo { hasNextPage endCursor }
  }
}

# 3. Order one. Put its id into Variables:
#    { "product": "the id that CreateProduct returned" }
mutation PlaceOrder($product: ID!) {
  placeOrder(input: {
    lines: [{ product: $product, quantity: 2 }]
  }) {
    id
    total
  }
}

# 4. List the orders, with what was ordered.
query Orders {
  orders(first: 10) {
    nodes {
      placedAt
      total
      currency
      lines { product { sku } quantity unitPrice }
    }
  }
}
`;
