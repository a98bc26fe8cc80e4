/// What all tables of one reading share: where keys stand, the environment, and the mistakes found so far.
final class ReadingContext {
    let environment: [String: String]
    /// Whether a file can be read: certificates are looked for, not opened.
    let isReadable: (String) -> Bool
    let zones: ZoneDatabase
    private let locator: KeyLocator
    private(set) var errors: [ConfigurationError] = []
    private(set) var warnings: [String] = []
    /// Every key that was asked for, without indices: `upstream.quota.per`.
    private(set) var knownKeys: Set<String> = []

    init(
        text: String,
        environment: [String: String],
        isReadable: @escaping (String) -> Bool,
        zones: ZoneDatabase = ZoneDatabase()
    ) {
        self.environment = environment
        self.isReadable = isReadable
        self.zones = zones
        locator = KeyLocator(text)
    }

    func fail(_ path: String, _ message: String) {
        errors.append(ConfigurationError(path: path, line: locator.line(of: path), message: message))
    }

    func warn(_ message: String) {
        warnings.append(message)
    }

    func note(key path: String) {
        var isIndex = false
        knownKeys.insert(
            path.filter { character in
                if character == "[" { isIndex = true }
                defer { if character == "]" { isIndex = false } }
                return !isIndex
            }
        )
    }
}
