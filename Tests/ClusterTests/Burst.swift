/// What became of many calls that came at once.
struct Burst: Decodable {
    /// How many answers had which status.
    let statuses: [String: Int]
    /// Until the last was answered.
    let seconds: Double
    /// Distinct answers of status 200.
    let bodies: Int
}

extension Deployment {
    /// Sends so many calls of the tester's at once, each over a connection of its own.
    /// - Parameter addresses: taken in turn; `nil`: where clients call.
    func burst(
        _ count: Int,
        path: String = Paths.generate,
        body: String = Bodies.generate,
        over addresses: [String]? = nil
    ) async throws -> Burst {
        try await Python.run("burst", [String(count), Self.key, path, body] + (addresses ?? [address]))
    }
}
