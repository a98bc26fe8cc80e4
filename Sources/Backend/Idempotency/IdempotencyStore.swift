internal import FoundationEssentials
internal import HTTPTypes
internal import Hashing
internal import Logging
internal import NIOCore
internal import PostgresClient

/// Remembers answers by `Idempotency-Key`, a user's own keys only, for a day.
///
/// A key is claimed before the work begins and completed in the transaction that stores the work's result: whatever happens in
/// between, there is one message or none. Its claim is a lease that is renewed while the work goes on; when the process dies,
/// the next attempt takes it over.
struct IdempotencyStore: Sendable {
    private static let maxKeyBytes = 255

    let pool: PostgresPool
    let logger: Logger

    enum Admission: Sendable {
        /// The work is to be done.
        case proceed(IdempotencyClaim)
        /// It was done before.
        case replay(status: Int, body: ByteBuffer)
    }

    /// - Parameters:
    ///   - body: of the request; the same key with another body, or for another path, is a mistake.
    ///   - waitLimit: of the pool, for all statements together.
    /// - Throws: 400; 409 while the same request is being worked on; 422 for another request under the same key.
    func admit(
        key: String,
        user: String,
        path: String,
        body: ByteBuffer,
        until waitLimit: ContinuousClock.Instant
    ) async throws -> Admission {
        guard !key.isEmpty, key.utf8.count <= Self.maxKeyBytes else {
            throw Problem.invalid(parameter: "Idempotency-Key", "must be 1 to \(Self.maxKeyBytes) bytes long")
        }
        let hasher = SHA256Hasher()
        hasher.update(count: path.utf8.count)
        hasher.update(path)
        hasher.update(body)
        let hash = hasher.finish().bytes
        let owner = UUID()
        // Takes the key where it is new, or its owner has not renewed the lease.
        let taken = try await pool.query(
            """
            INSERT INTO idempotency_key AS held (user_id, key, request_hash, owner, leased_until)
            VALUES ($1, $2, $3, $4, now() + interval '60 seconds')
            ON CONFLICT (user_id, key) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
            WHERE held.body IS NULL AND held.leased_until < now() AND held.request_hash = excluded.request_hash
            RETURNING owner
            """,
            [.text(user), .text(key), .bytes(hash), .uuid(owner)],
            until: waitLimit
        )
        if !taken.isEmpty {
            return .proceed(IdempotencyClaim(pool: pool, logger: logger, user: user, key: key, owner: owner))
        }
        let rows = try await pool.query(
            "SELECT request_hash, status, body FROM idempotency_key WHERE user_id = $1 AND key = $2",
            [.text(user), .text(key)],
            retry: .idempotent,
            until: waitLimit
        )
        guard let row = rows.first else {
            // Given up between the two statements.
            throw Problem(.conflict, "the same request was being worked on; send it again", retryAfter: 1)
        }
        guard try row.decode("request_hash", as: [UInt8].self) == hash else {
            throw Problem(.unprocessableContent, "this Idempotency-Key was used for another request")
        }
        guard let body = try row.decode("body", as: String?.self) else {
            throw Problem(.conflict, "the same request is being worked on", retryAfter: 1)
        }
        return .replay(status: try row.decode("status"), body: ByteBuffer(string: body))
    }

    /// Forgets keys older than a day.
    func forgetOld() async throws(PostgresError) {
        try await pool.query("DELETE FROM idempotency_key WHERE created_at < now() - interval '1 day'")
    }
}
