import TestSupport

/// What tests ask a deployment for, as its caller and as its operator.
extension Deployment {
    static let keyField = "x-goog-api-key: \(key)"

    /// A plain call of the tester's.
    /// - Parameter replica: nil: where clients call.
    func generate(
        at replica: Int? = nil,
        body: String = Bodies.generate,
        fields: [String] = [],
        within limit: Duration = .seconds(60)
    ) async throws -> HTTP.Answer {
        let address = replica.map { self.address(of: $0) } ?? address
        let all = [Self.keyField] + fields
        return try await HTTP.send("POST", address + Paths.generate, fields: all, body: body, within: limit)
    }

    /// What a replica's stats say of its quotas.
    func quotas(of replica: Int = 0) async throws -> [[String: Any]] {
        try await stats(of: replica)["quotas"] as? [[String: Any]] ?? []
    }

    func quota(_ name: String, of replica: Int = 0) async throws -> [String: Any]? {
        try await quotas(of: replica).first { $0["name"] as? String == name }
    }
}
