internal import NIOCore

/// Pinecone's calls that the backend makes, on one index.
struct Pinecone: Sendable {
    let client: GatewayClient
    /// The gateway's route to the index.
    let route: String

    /// A passage that was found.
    struct Match: Decodable, Equatable, Sendable {
        let id: String
        let score: Double
        let metadata: Metadata?
    }

    /// What is kept beside a vector.
    struct Metadata: Codable, Equatable, Sendable {
        var text: String?
        var title: String?
    }

    struct Vector: Encodable, Sendable {
        let id: String
        let values: [Float]
        let metadata: Metadata
    }

    /// Passages near a question, best first. Documents are everybody's: who may add them is the gateway's to say.
    func query(_ vector: [Float], count: Int, as caller: CallerContext) async throws(GatewayError) -> [Match] {
        let request = QueryRequest(vector: vector, topK: count, includeMetadata: true)
        let call = call("/query", body: request, as: caller, isRepeatable: true)
        let answer: QueryResponse = try decode(await client.answer(call))
        return answer.matches
    }

    /// Writes vectors; one that exists is replaced.
    func upsert(_ vectors: [Vector], as caller: CallerContext) async throws(GatewayError) {
        let request = UpsertRequest(vectors: vectors)
        _ = try await client.answer(call("/vectors/upsert", body: request, as: caller, isRepeatable: true))
    }

    func delete(_ ids: [String], as caller: CallerContext) async throws(GatewayError) {
        _ = try await client.answer(
            call("/vectors/delete", body: DeleteRequest(ids: ids), as: caller, isRepeatable: true)
        )
    }

    private func call(_ path: String, body: some Encodable, as caller: CallerContext, isRepeatable: Bool) -> GatewayCall
    {
        GatewayCall(
            path: route + path,
            keyField: .pinecone,
            body: JSON.encode(body, snakeCase: false),
            caller: caller,
            isRepeatable: isRepeatable
        )
    }

    private struct QueryRequest: Encodable {
        let vector: [Float]
        let topK: Int
        let includeMetadata: Bool
    }

    private struct QueryResponse: Decodable { let matches: [Match] }
    private struct UpsertRequest: Encodable { let vectors: [Vector] }
    private struct DeleteRequest: Encodable { let ids: [String] }
}
