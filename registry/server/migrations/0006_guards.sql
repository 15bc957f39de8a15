-- Why a version was published although it breaks callers of the one before it; null where it does not.
ALTER TABLE module_version ADD COLUMN allow_breaking TEXT;
