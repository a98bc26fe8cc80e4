internal import FoundationEssentials
internal import HTTPTypes
internal import Logging
internal import NIOCore
internal import PostgresClient

/// The right to do the work that an `Idempotency-Key` stands for. It ends by `complete`, or by `abandon`.
struct IdempotencyClaim: Sendable {
    /// A third of the lease, so that two renewals may fail.
    private static let renewal = Duration.seconds(20)

    let pool: PostgresPool
    let logger: Logger
    let user: String
    let key: String
    let owner: UUID

    /// Keeps the answer, in the transaction that stores what it tells of.
    ///
    /// - Throws: 409: the lease ran out and another took the work over; the transaction is rolled back.
    func complete(status: Int, body: ByteBuffer, on connection: PostgresConnection) async throws {
        let rows = try await connection.query(
            "UPDATE idempotency_key SET status = $4, body = $5 WHERE user_id = $1 AND key = $2 AND owner = $3",
            [.text(user), .text(key), .uuid(owner), .integer(Int64(status)), .text(String(buffer: body))]
        )
        guard rows.affectedRows == 1 else {
            throw Problem(.conflict, "the same request is being worked on elsewhere", retryAfter: 1)
        }
    }

    /// Gives the key back after a failure: the same request may be tried again.
    ///
    /// Where Postgres is what failed it goes on by itself: who asked is not to wait for Postgres once more.
    func abandon(after error: any Error) async {
        guard let error = error as? PostgresError, error.isTransient else { return await abandon() }
        Task { await abandon() }
    }

    private func abandon() async {
        do throws(PostgresError) {
            try await pool.query(
                "DELETE FROM idempotency_key WHERE user_id = $1 AND key = $2 AND owner = $3 AND body IS NULL",
                [.text(user), .text(key), .uuid(owner)],
                retry: .idempotent
            )
        } catch {
            logger.warning("an idempotency key stays taken until its lease ends", metadata: ["error": "\(error)"])
        }
    }

    /// Runs `work` with the lease kept alive, and gives the key back when it fails.
    func holding<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        let renewing = Task {
            while (try? await Task.sleep(for: Self.renewal)) != nil {
                do throws(PostgresError) {
                    try await pool.query(
                        """
                        UPDATE idempotency_key SET leased_until = now() + interval '60 seconds'
                        WHERE user_id = $1 AND key = $2 AND owner = $3
                        """,
                        [.text(user), .text(key), .uuid(owner)],
                        retry: .idempotent
                    )
                } catch {
                    logger.warning("an idempotency key was not renewed", metadata: ["error": "\(error)"])
                }
            }
        }
        defer { renewing.cancel() }
        do {
            return try await work()
        } catch {
            await abandon(after: error)
            throw error
        }
    }
}
