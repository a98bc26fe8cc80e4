internal import Logging
internal import Pacing
internal import Synchronization

/// Says a warning once, whatever number of loops and calls meet its cause. Bounded.
final class OnceWarnings: Sendable {
    private let said = Mutex<Set<ExactName>>([])
    private static let limit = 1_000

    func warn(_ logger: Logger, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        let key = "\(message) \(metadata.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " "))"
        let isNew = said.withLock { said in
            said.count < Self.limit && said.insert(ExactName(key)).inserted
        }
        if isNew { logger.warning(message, metadata: metadata) }
    }
}
