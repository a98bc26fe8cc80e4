internal import FoundationEssentials
internal import Logging
internal import NIOCore
internal import PostgresClient

/// Embeds a document's passages and puts them into the index, all or none.
struct DocumentImporter: Sendable {
    /// Calls to the embedding model at a time: one document is not to take the whole quota at once.
    private static let concurrency = 4
    /// Vectors of one upsert: Pinecone takes 2 MB, and one of 3,072 dimensions is some 36 KB of JSON.
    private static let batch = 40

    let gemini: Gemini
    let pinecone: Pinecone
    let pool: PostgresPool
    let logger: Logger

    struct Document: Sendable {
        let id = UUID()
        let title: String?
        let chunks: [String]
        let claim: IdempotencyClaim?
    }

    private struct Answer: Encodable {
        let id: String
        let chunks: Int
    }

    /// - Returns: the answer's JSON, once the document is in the index and on record.
    func add(_ document: Document, as caller: CallerContext) async throws -> ByteBuffer {
        let vectors = try await vectors(of: document, as: caller)
        do {
            for start in stride(from: 0, to: vectors.count, by: Self.batch) {
                try await pinecone.upsert(Array(vectors[start..<min(start + Self.batch, vectors.count)]), as: caller)
            }
            return try await record(document, user: caller.user)
        } catch {
            await remove(vectors, as: caller)
            throw error
        }
    }

    private func record(_ document: Document, user: String) async throws -> ByteBuffer {
        try await pool.transaction(isIdempotent: true) { connection in
            try await connection.query(
                "INSERT INTO document (id, user_id, title, chunks) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
                [
                    .uuid(document.id), .text(user), .text(orNull: document.title),
                    .integer(Int64(document.chunks.count)),
                ]
            )
            let body = JSON.encode(Answer(id: document.id.lowercased, chunks: document.chunks.count))
            try await document.claim?.complete(status: 201, body: body, on: connection)
            return body
        }
    }

    private func vectors(of document: Document, as caller: CallerContext) async throws -> [Pinecone.Vector] {
        try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
            var next = 0
            func addTask() {
                let index = next
                next += 1
                let text = document.chunks[index]
                group.addTask {
                    (index, try await gemini.embed(text, for: .passage, title: document.title, as: caller))
                }
            }
            while next < min(Self.concurrency, document.chunks.count) { addTask() }
            var values = [[Float]](repeating: [], count: document.chunks.count)
            for try await (index, vector) in group {
                values[index] = vector
                if next < document.chunks.count { addTask() }
            }
            return values.enumerated().map { index, vector in
                Pinecone.Vector(
                    id: "\(document.id.lowercased)#\(index)",
                    values: vector,
                    metadata: Pinecone.Metadata(text: document.chunks[index], title: document.title)
                )
            }
        }
    }

    private func remove(_ vectors: [Pinecone.Vector], as caller: CallerContext) async {
        do throws(GatewayError) {
            try await pinecone.delete(vectors.map(\.id), as: caller)
        } catch {
            logger.warning("passages of a document that failed stay in the index", metadata: ["error": "\(error)"])
        }
    }
}
