internal import HTTPWire

/// Whether an answer fits behind signs of life, which have begun a stream of events in plain text.
extension FieldBlock {
    /// - Parameter status: of the answer. One that does not name its type is taken for what was asked for.
    func continuesEvents(status: Int) -> Bool {
        (200..<300).contains(status) && !hasCoding && string(.contentType).map { Self.isEventStream($0) } ?? true
    }

    /// Its body cannot be read as it is.
    var hasCoding: Bool {
        guard let coding = string(.contentEncoding) else { return false }
        return coding.trimmingSpaces().lowercased() != "identity"
    }

    /// - Parameter type: a media type, with parameters or without.
    static func isEventStream(_ type: some StringProtocol) -> Bool {
        type.prefix { $0 != ";" }.trimmingSpaces().lowercased() == "text/event-stream"
    }
}
