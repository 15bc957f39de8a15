# One that exists on its server and belongs to nobody is taken over by the next apply.
import {
  to = idp_database.orders
  id = "staging/orders"
}
