/// A request as `GET /simulator/log` tells it.
package struct Arrival: Encodable, Sendable, Equatable {
    /// Counts from 1 in the order in which arrivals were noted.
    package internal(set) var id = 0
    /// When the head came in: microseconds of the monotonic clock, which all processes of a machine share.
    package let at: Int64
    /// The same moment in seconds since 1970.
    package let wall: Double
    package let method: String
    /// Without the query, which may hold a key.
    package let path: String
    /// Gemini's or Pinecone's word for the method; nil: unknown path.
    package let call: String?
    package var model: String?
    /// Nil until the answer is decided; stays nil where the connection was reset.
    package var status: Int?
    /// FNV-1a (64 bits, hexadecimal) of the API key, nil without one.
    package let key: String?
    package let user: String?
    package let requestID: String?
    /// Size of the request's body.
    package var bytes: Int?
    /// Input tokens that it takes of the quotas.
    package var tokens: Int?
    /// When the last byte of the answer was handed over, on the clock of `at`.
    package var ended: Int64?
    package var outcome = Outcome.open
    /// Only under `log-headers`; values of credentials are left out.
    package let fields: [String: String]?

    package enum Outcome: String, Encodable, Sendable {
        case open, complete
        /// The client went away.
        case cancelled
        /// A fault that was asked for: connection reset, answer broken off.
        case reset, cut
    }

    package init(
        at instant: Duration,
        wall: Double,
        method: String,
        path: String,
        call: String?,
        key: String? = nil,
        user: String? = nil,
        requestID: String? = nil,
        fields: [String: String]? = nil
    ) {
        at = instant.wholeMicroseconds
        self.wall = wall
        self.method = method
        self.path = path
        self.call = call
        self.key = key
        self.user = user
        self.requestID = requestID
        self.fields = fields
    }

    private enum CodingKeys: String, CodingKey {
        case id, at, wall, method, path, call, model, status, key, user, bytes, tokens, ended, outcome, fields
        case requestID = "request_id"
    }
}
