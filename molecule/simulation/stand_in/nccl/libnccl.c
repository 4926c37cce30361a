/* What a program can learn about NCCL without a GPU: the version, by call and by the string in the file. */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

__attribute__((used)) const char nccl_banner[] =
    "NCCL version " TEXT(MAJOR) "." TEXT(MINOR) "." TEXT(PATCH) "+cuda" TEXT(CUDA);

int ncclGetVersion(int *version) {
  if (version == 0) return 4; /* ncclInvalidArgument */
  *version = MAJOR * 10000 + MINOR * 100 + PATCH;
  return 0;
}
