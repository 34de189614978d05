-- reference rows: ledger_private.error_catalogue
-- A code here, an exception class in the client, a test: the three are compared.

insert into ledger_private.error_catalogue (code, http_status, retryable, message, hint) values
(
    'invalid_argument', 400, false,
    'An argument is missing, malformed or out of range.',
    'See details: argument and reason. Mend the call.'
),
(
    'invalid_amount', 400, false,
    'The amount is not a positive number of minor units.',
    'Send a whole number from 1 to 9007199254740991; with two places 1234 is 12.34.'
),
(
    'invalid_cursor', 400, false,
    'The cursor is not one that this function returned.',
    'Pass the cursor of a line unchanged, or leave it out to begin anew.'
),
(
    'amount_out_of_range', 400, false,
    'A balance would leave the range that JSON holds exactly.',
    'Balances stay within ±9007199254740991 minor units: split the account.'
),
(
    'wrong_isolation', 400, false,
    'The function runs at a stronger isolation level than the caller''s transaction has.',
    'Begin the transaction with isolation level serializable, or call through the API.'
),
(
    'forbidden', 403, false,
    'Your role in this book does not allow this.',
    'See details: required. Ask an owner of the book.'
),
(
    'book_not_found', 404, false,
    'There is no such book, or you are not a member of it.',
    'Check book_id and whose token the call carries.'
),
(
    'account_not_found', 404, false,
    'There is no such account in this book, or you may not see it.',
    'Check account_id and book_id.'
),
(
    'member_not_found', 404, false,
    'The user is not a member of this book.',
    'List the book''s members.'
),
(
    'user_not_found', 404, false,
    'There is no such user.',
    'The user has to sign up first.'
),
(
    'transaction_not_found', 404, false,
    'There is no such transaction in this book, or you may not see it.',
    'For who sees the whole book: nothing was posted under this id or key.'
),
(
    'hold_not_found', 404, false,
    'There is no such hold in this book, or you may not see it.',
    'Check hold_id and book_id.'
),
(
    'group_not_found', 404, false,
    'There is no such account group in this book, or you may not see it.',
    'Check group_id and book_id.'
),
(
    'version_conflict', 409, false,
    'The account has changed since you read it.',
    'Read the balance again, decide again, call again.'
),
(
    'hold_state', 409, false,
    'The hold is no longer pending.',
    'See details: state.'
),
(
    'hold_expired', 409, false,
    'The hold has expired and can no longer be captured.',
    'Create a new hold.'
),
(
    'already_reversed', 409, false,
    'The transaction is already reversed, or the reversals would exceed it.',
    'See details: what is left to reverse.'
),
(
    'account_closed', 409, false,
    'The account is closed.',
    'Use another account: closing is final.'
),
(
    'account_not_empty', 409, false,
    'The account still holds money or holds.',
    'Move the balance away, or name an account to sweep it to.'
),
(
    'book_archived', 409, false,
    'The book is archived.',
    'An owner can bring it back with update_book and archived false.'
),
(
    'duplicate_code', 409, false,
    'Another account of this book has this code.',
    'Choose another code, or use the account that has it.'
),
(
    'last_owner', 409, false,
    'A book keeps at least one owner.',
    'Make somebody else an owner first.'
),
(
    'insufficient_funds', 422, false,
    'The account cannot give this amount.',
    'See details: available and required, in minor units.'
),
(
    'limit_exceeded', 422, false,
    'The account cannot take this amount.',
    'See details: max_balance and what the balance would be, in minor units.'
),
(
    'currency_mismatch', 422, false,
    'The two accounts have different currencies.',
    'Move money between accounts of one currency.'
),
(
    'unbalanced', 422, false,
    'The entries do not sum to zero in each currency.',
    'What is taken and what is given have to cancel out in each currency.'
),
(
    'same_account', 422, false,
    'Money cannot move from an account to itself.',
    'Name two accounts.'
),
(
    'idempotency_mismatch', 422, false,
    'This key or id was used before for a different request.',
    'Use a new key for a new request; repeat a request unchanged.'
),
(
    'group_floor', 422, false,
    'The accounts of a group would together fall below their floor.',
    'See details: group, available and required, in minor units.'
),
(
    'account_frozen', 423, false,
    'The account is frozen.',
    'An owner of the book can unfreeze it.'
),
(
    'period_locked', 423, false,
    'The value date lies in a locked period.',
    'Book on a later date, or ask an owner to unlock the period.'
),
(
    'busy', 503, true,
    'The rows are locked by other calls for too long.',
    'Nothing was done. Repeat with the same idempotency key.'
),
(
    'serialization_conflict', 503, true,
    'Another transaction interfered.',
    'Nothing was done. Repeat with the same idempotency key.'
);
