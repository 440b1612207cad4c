/**
 * Every bound on numbers that come from untrusted bytes, every size of the disk format that the
 * reader must know, and every memory budget. Each with its reason. No imports.
 */

/** Elements of one hash run: the unit by which a plane verifies alone. */
export const RUN_ELEMENTS = 1 << 20;
/** Elements of one segment: the unit of encoding and decoding. 4 runs keep one fp32 segment at
 *  16 MiB, so that several are in flight on two cores within 512 MiB (docs/decisions/0001-segments-of-4-mi-elements.md). */
export const SEGMENT_ELEMENTS = 4 * RUN_ELEMENTS;
/** A tensor below this many bytes is a view of a literal of its recipe. An extent takes some 500 bytes
 *  beside its values, which is 12 % of 4 KiB; a literal is stored again when its neighbours change. */
export const SMALL_TENSOR_BYTES = 4 * 1024;
/** Shorter extents take bases by name alone: files hold them by the thousand, all of one shape. */
export const SEARCHED_EXTENT_BYTES = 16 * 1024;
/** Shorter extents stay exact in a tier: norms and biases, which are few bytes and weigh much. */
export const TIERED_EXTENT_BYTES = 16 * 1024;
/** Widest element of an extent; complex128 is two elements of 8. */
export const WIDTH_MAX = 8;

/** Largest single blob (recipes, versions, chunks of unknown files). */
export const BLOB_BYTES_MAX = 64 * 1024 * 1024;
/** Data literals of one width are cut into blobs of about this size at tensor boundaries. */
export const LITERAL_BLOB_BYTES = 256 * 1024;
/** Memory that the values of one blob may take, by a charge for each: twice that of a skeleton of
 *  64 MiB, which holds about a million tensors. */
export const BLOB_MEMORY_BYTES_MAX = 512 * 1024 * 1024;
/** Items of one list in a blob: four for each tensor of TENSORS_PER_FILE_MAX. Node makes longer arrays slow. */
export const LIST_ITEMS_MAX = 1 << 24;
/** Content-defined chunks: smallest, target and largest size. */
export const CDC_MIN_BYTES = 32 * 1024;
export const CDC_TARGET_BYTES = 128 * 1024;
export const CDC_MAX_BYTES = 512 * 1024;

/** Longest chain of deltas a reader follows; a writer stays far below (config chain.depth, 10). */
export const CHAIN_DEPTH_MAX = 4096;

/** Memory that the description of one file may take while it is read and stored: this many bytes for
 *  each byte of its structure (header, directory, program), and so many for a small one. */
export const LAYOUT_MEMORY_FACTOR = 8;
export const LAYOUT_MEMORY_BASE_BYTES = 64 * 1024 * 1024;
/** The same for the values of the pickle of a distributed checkpoint: Python writes some 140 bytes for each
 *  piece, which take 2 KiB as values. */
export const METADATA_MEMORY_FACTOR = 18;
/** The same in all: a file that would take more is stored as a blob. Some 600,000 tensors. */
export const LAYOUT_MEMORY_BYTES_MAX = 512 * 1024 * 1024;
/** A process with so much heap stores any single file, as a blob if it must. */
export const FILE_HEAP_BYTES = 768 * 1024 * 1024;
/** Header of one safetensors file: the reference reader refuses above 100 MB as well. */
export const SAFETENSORS_HEADER_BYTES_MAX = 100_000_000;
/** Tensors of one file: beyond any published checkpoint by a factor of 10. */
export const TENSORS_PER_FILE_MAX = 4_000_000;
/** Dimensions of one tensor (NumPy allows 64, ONNX and PyTorch fewer). */
export const RANK_MAX = 64;
/** Nesting of protobuf messages, pickle containers, JSON or msgpack values. */
export const NESTING_MAX = 100;
/** Opcodes of one pickle program. */
export const PICKLE_OPS_MAX = 50_000_000;
/** Bytes of one pickle program (data.pkl of a .pt file holds names and shapes only). */
export const PICKLE_BYTES_MAX = 256 * 1024 * 1024;
/** Steps of a walk through a pickle: 1 for an item, 8 for a container, again for each path to it. */
export const PICKLE_STEPS_MAX = 32_000_000;
/** Entries of one zip central directory. */
export const ZIP_ENTRIES_MAX = 4_000_000;
/** Bytes of one zip central directory. */
export const ZIP_DIRECTORY_BYTES_MAX = 1 << 30;
/** Bytes of ONNX structure (everything but tensor data) that are read. */
export const ONNX_STRUCTURE_BYTES_MAX = 256 * 1024 * 1024;
/** Nodes of one network, with those of its bodies and of the functions it calls: a language model of 100
 *  layers has some 20,000. */
export const NETWORK_NODES_MAX = 200_000;
/** The same of everything else: parameters, and names of inputs and outputs. */
export const NETWORK_VALUES_MAX = 2_000_000;
/** Header dictionary of a .npy file. */
export const NPY_HEADER_BYTES_MAX = 1 << 20;
/** JSON index of a sharded checkpoint. */
export const INDEX_JSON_BYTES_MAX = 256 * 1024 * 1024;

/** trainer_state.json, which holds a line for each step that was logged. */
export const TRAINER_STATE_BYTES_MAX = 64 * 1024 * 1024;
/** Points that are read from the logs of one version: their series then take 24 MiB. */
export const LOG_POINTS_MAX = 1_000_000;
/** Metrics, and hyperparameters, that are read from the logs of one version: trackers advise 10,000 at most. */
export const LOG_NAMES_MAX = 10_000;
/** Files of one log folder: a run of MLflow has one for each metric and hyperparameter. */
export const LOG_FILES_MAX = 2_000;
/** Bytes of all logs of one version: what several days of training write, without pictures. */
export const LOG_BYTES_MAX = 256 * 1024 * 1024;
/** The record of a run: some 100,000 checkpoints. */
export const RUN_RECORD_BYTES_MAX = 64 * 1024 * 1024;

/** Pixels of one picture of a data set: 400 MB when it is decoded. */
export const PICTURE_PIXELS_MAX = 100_000_000;
/** Height and width that a picture can be resized to. */
export const PICTURE_SIDE_MAX = 10_000;
/** Bytes of the file of one picture. */
export const PICTURE_BYTES_MAX = 128 * 1024 * 1024;
/** Bytes of a file of texts, and of a tokenizer: those of large vocabularies have some 20 MB. */
export const TEXTS_BYTES_MAX = 256 * 1024 * 1024;
/** Tokens of one text. */
export const TEXT_TOKENS_MAX = 1 << 17;
/** Content of a data set that is compressed or text, which is held in memory. */
export const DATA_BYTES_MAX = 1 << 30;
/** Columns of a data set that is text. */
export const DATA_COLUMNS_MAX = 100_000;
/** Bytes of one batch as float64: its inputs, and its outputs. */
export const BATCH_BYTES_MAX = 1 << 30;
/** Bytes of scores over a vocabulary that one pass of a language model gives, about; at least one text is run. */
export const LOGITS_BYTES = 1 << 28;
/** Threads of the runtime of networks: it makes each at once, and waits for all in turn when there are thousands. */
export const RUN_THREADS_MAX = 512;
/** Trials that a study trains at once. */
export const STUDY_WORKERS_MAX = 10_000;
/** Memory of the built-in trainer: values and gradients of a batch, weights, what the optimizer keeps. */
export const TRAINED_BYTES_MAX = 1 << 30;
/** Examples that a trainer holds in memory, as float32. */
export const TRAINED_DATA_BYTES_MAX = 1 << 30;
/** The job of a trainer, and one line of what it says. */
export const JOB_BYTES_MAX = 1 << 24;
/** Examples of one evaluation: their outcomes are one note. */
export const EXAMPLES_MAX = 3_000_000;
/** Size of one file: that of the largest file of ext4. */
export const FILE_BYTES_MAX = 2 ** 44;
/** Files of one version. */
export const FILES_PER_VERSION_MAX = 10_000_000;
/** Files that a version lists itself; more go into pages of their own (docs/format/version.md). */
export const FILES_INLINE_MAX = 64;
/** Entries of one page of files: 8 × the mean of its content-defined cuts. */
export const FILES_PAGE_MAX = 512;
/** Files that one file names as parts of its checkpoint: checkpoints have some thousand shards. */
export const REFERENCES_MAX = 100_000;
/** Parents of one version: merges of more lines than this are no use to a reader. */
export const PARENTS_MAX = 256;
/** n of `model@n`: as many digits as a revision may have. */
export const NUMBER_MAX = 999_999_999;
/** Commit message, in UTF-8 bytes. */
export const MESSAGE_BYTES_MAX = 1 << 20;
/** One name or short text of a version (author, hyperparameter, metric), in UTF-8 bytes. */
export const NAME_BYTES_MAX = 4096;
/** A ref name, in bytes; one part of it leaves room for the names of temporary files. */
export const REF_NAME_BYTES_MAX = 1024;
export const REF_PART_BYTES_MAX = 200;
/** Reflog of one ref: some 100,000 lines are read back, older ones are skipped. */
export const REFLOG_BYTES_MAX = 1 << 25;
/** Largest list of refs and versions that change together: some 100,000 versions. */
export const MOVES_BYTES_MAX = 1 << 26;
/** config file and .dlvignore: texts that people write. */
export const USER_TEXT_BYTES_MAX = 1 << 20;
/** Folders that one `add --follow` enters through symbolic links: links that cross can make folders
 *  without end, and no real cache has so many. */
export const LINKED_FOLDERS_MAX = 10_000;
/** Longest path in a version, in UTF-8 bytes (PATH_MAX of Linux). */
export const PATH_BYTES_MAX = 4096;
/** git's blob sha1 is recorded for files up to this size. */
export const GIT_SHA1_BYTES_MAX = 10 * 1000 * 1000;

/** One request of `dlv batch`, the words of its command line, and how many may wait. */
export const BATCH_LINE_BYTES_MAX = 1 << 20;
export const BATCH_WORDS_MAX = 10_000;
export const BATCH_WAITING_MAX = 256;

/** Small sealed state files: refs, HEAD, format, lock. */
export const STATE_FILE_BYTES_MAX = 1 << 20;
/** Manifest: some 400,000 sets, of which all but a few are as large as a set may be. Also budgets. */
export const MANIFEST_BYTES_MAX = 1 << 25;
/** Staging: more entries than this holds take more memory than BLOB_MEMORY_BYTES_MAX. */
export const STAGING_BYTES_MAX = 1 << 28;
/** Notes about one version: some 60,000 ids. */
export const NOTES_BYTES_MAX = 1 << 22;
/** Lines of a reflog that are reported as damaged; more tell nothing new. */
export const DAMAGED_LINES_MAX = 1000;
/** One pack file closes when its largest class passes this. */
export const PACK_BYTES_TARGET = 256 * 1024 * 1024;
/** Planes of an extent that are written before its id is known: by so much a set may become larger than its target. */
export const EARLY_PLANES_BYTES = 256 * 1024 * 1024;
/** A set whose encoded planes total less puts all classes into `hi`. */
export const SMALL_SET_BYTES = 8 * 1024 * 1024;
/** Head of one segment record. */
export const HEAD_BYTES_MAX = 64 * 1024 * 1024;
/** One idx file. */
export const INDEX_BYTES_MAX = 2 ** 33;
/** Encoded bytes of one class of one segment: 16 MiB raw at most, with room for a poor coder. */
export const PLANE_CLASS_BYTES_MAX = 64 * 1024 * 1024;
/** Records after which a set closes: its index rows, held until then, stay below 32 MiB. */
export const SET_RECORDS_TARGET = 1 << 18;
/** Most records of one kind in one set that a reader accepts. */
export const SET_RECORDS_MAX = 1 << 24;

/** Extents and candidate encodings of one storage graph: a plan of this size fits in 1 GiB. */
export const PLAN_NODES_MAX = 2_000_000;
export const PLAN_EDGES_MAX = 20_000_000;

/** An address of a remote. */
export const URL_BYTES_MAX = 4096;
/** The file `remote`: some 100,000 refs. */
export const REMOTE_BYTES_MAX = 1 << 24;
/** What a remote promised: as many sets as a manifest may list. */
export const PROMISED_BYTES_MAX = 1 << 26;
/** An older part of a remote's list of sets, and the lines after which a new one is begun: 12 KB. */
export const REMOTE_LIST_BYTES_MAX = 1 << 20;
export const REMOTE_LIST_LINES = 128;
/** Older parts that one remote may name: 13 million sets. */
export const REMOTE_LISTS_MAX = 100_000;
/** Entries of a bundle: five for each pack set. */
export const BUNDLE_ENTRIES_MAX = 1 << 18;
/** The first entry of a bundle: some 200,000 versions that it needs. */
export const BUNDLE_HEAD_BYTES_MAX = 1 << 24;
/** Bytes of one request, and of what is in flight of one file. */
export const TRANSFER_PIECE_BYTES = 4 * 1024 * 1024;
/** Parts of a file that stand this close are fetched in one request. */
export const TRANSFER_GAP_BYTES = 64 * 1024;
/** Files with versions and recipes are fetched whole up to this size, else in blocks of BLOCK. */
export const TRANSFER_WHOLE_BYTES = 4 * 1024 * 1024;
export const TRANSFER_BLOCK_BYTES = 512 * 1024;

// --- memory budgets, as in the table of ARCHITECTURE.md §5 ------------------------------------------

/** Documents that the server of `dlv ui` keeps as long as the repository does not change. */
export const UI_ANSWERS_BYTES = 96 * 1024 * 1024;
/** Indexes of pack sets in memory: half of it whole ones, the rest the heads of large ones; a 64th more is what was found. */
export const INDEX_CACHE_BYTES = 64 * 1024 * 1024;
/** Blocks of blob files, in which small records stand close together. */
export const BLOCK_CACHE_BYTES = 16 * 1024 * 1024;
/** Decoded blobs; one larger than an eighth of this is not kept. */
export const BLOB_CACHE_BYTES = 32 * 1024 * 1024;
/** Run hashes of extents: 128 bytes for each MiB of fp32 elements. */
export const HASH_CACHE_BYTES = 16 * 1024 * 1024;
/** Heads of records, while bases are looked for: those of some 1,500 short extents. */
export const HEAD_CACHE_BYTES = 2 * 1024 * 1024;
/** Decoded versions: a line of some thousand is walked without reading one twice. */
export const VERSION_CACHE_BYTES = 128 * 1024 * 1024;
/** Decoded pages of file lists, of up to FILES_PAGE_MAX entries. */
export const PAGE_CACHE_ITEMS = 64;
/** Files of packs that are open at once: far below the usual limit of 1,024 for a process. */
export const OPEN_FILES_MAX = 64;
/** Samples of extents while an archive run measures encodings. */
export const SAMPLE_CACHE_BYTES = 128 * 1024 * 1024;
/** Segments that ingest encodes at once, as planes; with base and coded planes each takes 3 times that. */
export const ENCODED_AHEAD_BYTES = 32 * 1024 * 1024;
/** Planes of extents that were read, until they are encoded or written: two of 24 MiB, so that one is read meanwhile. */
export const INGEST_PLANES_BYTES = 48 * 1024 * 1024;
/** Planes of a longer extent are not kept until its id is known: what is not written before is read twice. */
export const KEPT_EXTENT_BYTES = 64 * 1024 * 1024;
/** Memory of payloads that were decoded, for those that are read next. */
export const PAYLOAD_POOL_BYTES = 16 * 1024 * 1024;
/** Planes of candidates for a base that had to be decoded whole to be compared, until the winner is encoded against. */
export const CANDIDATE_PLANES_BYTES = 16 * 1024 * 1024;
/** Planes of bases that checkout and diff keep for the segments read next. */
export const CHECKOUT_PLANES_BYTES = 48 * 1024 * 1024;
/** The same for readers in an order of their own choice: archive runs and measurements. */
export const SHARED_PLANES_BYTES = 64 * 1024 * 1024;
/** Planes of the segments that archive used last: eight segments of fp32. */
export const ARCHIVE_PLANES_BYTES = 128 * 1024 * 1024;
/** Planes of one tree of deltas, of up to four at once, that are checked in the kernel: three segments of fp32. */
export const CHECKED_PLANES_BYTES = 48 * 1024 * 1024;
/** Planes of bases that fsck keeps for their deltas. */
export const FSCK_PLANES_BYTES = 96 * 1024 * 1024;
/** Tensors that are loaded at once while many are streamed; a larger one goes in pieces. */
export const LOADED_AHEAD_BYTES = 64 * 1024 * 1024;
/** Pieces of a file that are rebuilt before they are asked for; each takes twice that meanwhile. */
export const REBUILT_AHEAD_BYTES = 32 * 1024 * 1024;
