internal import PostgresClient

/// The database's schema, step by step.
enum Schema {
    static let migrations = [
        Migration(
            version: 1,
            name: "conversations, messages, documents, idempotency keys",
            statements: [
                """
                CREATE TABLE conversation (
                    id uuid PRIMARY KEY,
                    user_id text NOT NULL,
                    title text,
                    created_at timestamptz NOT NULL DEFAULT now(),
                    updated_at timestamptz NOT NULL DEFAULT now()
                )
                """,
                "CREATE INDEX conversation_by_user ON conversation (user_id, created_at DESC, id DESC)",
                """
                CREATE TABLE message (
                    id uuid PRIMARY KEY,
                    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
                    sequence bigint GENERATED ALWAYS AS IDENTITY,
                    role text NOT NULL CHECK (role IN ('user', 'assistant')),
                    content text NOT NULL,
                    sources jsonb,
                    input_tokens bigint,
                    output_tokens bigint,
                    created_at timestamptz NOT NULL DEFAULT now()
                )
                """,
                "CREATE UNIQUE INDEX message_by_conversation ON message (conversation_id, sequence)",
                """
                CREATE TABLE document (
                    id uuid PRIMARY KEY,
                    user_id text NOT NULL,
                    title text,
                    chunks bigint NOT NULL,
                    created_at timestamptz NOT NULL DEFAULT now()
                )
                """,
                """
                CREATE TABLE idempotency_key (
                    user_id text NOT NULL,
                    key text NOT NULL,
                    request_hash bytea NOT NULL,
                    owner uuid NOT NULL,
                    leased_until timestamptz NOT NULL,
                    status bigint,
                    body text,
                    created_at timestamptz NOT NULL DEFAULT now(),
                    PRIMARY KEY (user_id, key)
                )
                """,
                "CREATE INDEX idempotency_key_by_age ON idempotency_key (created_at)",
            ]
        )
    ]
}
