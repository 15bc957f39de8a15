CREATE TABLE IF NOT EXISTS bill (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  made_at timestamptz NOT NULL DEFAULT now(),
  total   numeric(12, 2) NOT NULL
);
