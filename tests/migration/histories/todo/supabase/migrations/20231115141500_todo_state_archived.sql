-- A new label cannot be used in the transaction that adds it: the next file uses it.
ALTER TYPE public.todo_state ADD VALUE IF NOT EXISTS 'archived' AFTER 'done';
