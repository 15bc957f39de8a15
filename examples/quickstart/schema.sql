-- Made by the migration, as the role that owns the schema.
CREATE TABLE IF NOT EXISTS app.bill (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
